/*
 * dispatcher.h - one dispatcher as the supervisor sees it: its beginning, its work, its end, and
 * what became of its work then, which the ledger tells.
 *
 * It knows clients only as the handle and ticket that travel in messages.  What happens to them is
 * told through struct dispatcher_events: each START that dispatcher_start() was given is answered
 * by exactly one of `undelivered`, `started`, `failed`, `returned` and `orphaned`, whoever is
 * killed whenever, until dispatcher_close().
 */
#ifndef SUPERVISOR_POOL_DISPATCHER_H
#define SUPERVISOR_POOL_DISPATCHER_H

#include "dispatcher/protocol.h"
#include "supervisor/base/backoff.h"
#include "supervisor/base/loop.h"
#include "supervisor/pool/channel.h"
#include "supervisor/pool/patience.h"
#include "supervisor/pool/remains.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct dispatcher_events {
    /* It was sent: our copy of the connection is to be closed. */
    void (*delivered)(void *context, uint32_t client, uint64_t ticket);
    /* It could not be sent. */
    void (*undelivered)(void *context, uint32_t client, uint64_t ticket);
    /* The handler's exec has succeeded; it was cloned `age` microseconds ago. */
    void (*started)(void *context, unsigned dispatcher, uint32_t client, uint64_t ticket,
                    int32_t process, uint32_t age);
    /* No handler was started: `error` says why, an errno.  With the connection, the receiver's to
     * close; -1 if there was no room for it. */
    void (*failed)(void *context, uint32_t client, uint64_t ticket, int error, int descriptor);
    /* A handler has ended.  Returns false if this dispatcher has no such handler, which a sound one
     * never says. */
    bool (*exited)(void *context, unsigned dispatcher, const struct message_exited *message);
    /* A dispatcher that was to signal children of this process may not have done so, and will not.
     */
    void (*unsignalled)(void *context);
    /* A file that was asked for: a descriptor, the receiver's to close, or an errno. */
    void (*content)(void *context, enum protocol_file file, int descriptor, int error);
    /* A dispatcher is dead and all it said has been heard, as far as it was believed: handlers of
     * which it has said that they were started, and not that they have ended, are children of this
     * process now; nothing else that it was asked for was done for sure. */
    void (*gone)(void *context, unsigned dispatcher);
    /* Whether a process is a handler's, and can be no dispatcher. */
    bool (*is_handler)(void *context, pid_t process);
    /* All dispatchers are dead, so that nobody can start another. */
    void (*lost)(void *context);
    void *context;
    /* What becomes of a start that a dispatcher has not answered when it dies. */
    struct starts_events unanswered;
};

enum dispatcher_state {
    DISPATCHER_ABSENT,   /* no process; a successor is due when the timer says */
    DISPATCHER_STARTING, /* has not said READY yet */
    DISPATCHER_READY,
    DISPATCHER_ENDING /* to be killed or dead, and not reaped yet */
};

struct dispatcher;

/* What concerns more than one of them. */
struct dispatcher_family {
    /* It is absent, and its successor is due. */
    void (*due)(void *context, struct dispatcher *dispatcher);
    /* An answer to FORK, of that one. */
    void (*forked)(void *context, const struct dispatcher *parent, const union message *message);
    /* Whether no other is ready. */
    bool (*is_last)(void *context, const struct dispatcher *dispatcher);
    /* Whether a process may be that of a new dispatcher. */
    bool (*may_be)(void *context, pid_t process);
    /* It is dead, and settled. */
    void (*died)(void *context, struct dispatcher *dispatcher);
    void *context;
};

struct dispatcher {
    unsigned index;
    bool spare;    /* takes no clients */
    unsigned most; /* starts that it may be given at once: its own descriptors may be few */
    struct loop *loop;
    const struct dispatcher_events *events;
    const struct dispatcher_family *family;
    struct remains **left;

    enum dispatcher_state state;
    pid_t process;       /* 0: not known yet */
    uint64_t generation; /* how many there have been in this place */
    int parent;          /* who was asked to fork it; -1: it is known to have been forked */
    int avoided;         /* who was asked in vain the last time; -1: nobody */
    struct channel channel;
    struct remains *remains; /* to take over socket and ledger at its death, if need be */
    bool reaped;             /* it is dead: slots of the ledger that show no process never will */

    uint64_t failing_until; /* one is for a while whose start has failed, or could not be given */

    bool replaced; /* it gets a successor when it dies */
    bool gave_way; /* it was ended to make room for a handler, and has no successor yet */
    uint64_t since;
    int error; /* why it could not begin the last time, an errno */
    struct backoff backoff;
    struct loop_timer restart;
    struct patience patience; /* with its answers */
};

/* Prepares one that is absent, and that may be given `most` starts at once.  All that is passed
 * must stay; to `left` is added what it leaves undecided when it dies. */
void dispatcher_open(struct dispatcher *dispatcher, unsigned index, struct loop *loop,
                     const struct dispatcher_events *events, const struct dispatcher_family *family,
                     struct remains **left, unsigned most);

/* Has it replaced if it dies from now on, or if it could not be started. */
void dispatcher_keep(struct dispatcher *dispatcher);

/* It is about to begin, at the other side of these ends, which are taken over.  `process` is 0 if
 * it is not known yet, as `parent` was only asked to fork it.  Returns 0, or -1 with errno and the
 * ends closed. */
int dispatcher_begin(struct dispatcher *dispatcher, const struct ends *ends, pid_t process,
                     int parent);

/* It could not begin, as errno says: its successor is tried again later. */
void dispatcher_failed(struct dispatcher *dispatcher);

/* There is nobody who could fork it now: its successor is tried again later. */
void dispatcher_postpone(struct dispatcher *dispatcher);

/* It was forked, or was not (process 0, and errno says why). */
void dispatcher_forked(struct dispatcher *dispatcher, pid_t process);

/* Waits until it is ready and has answered all that it was asked, or is dead, or until `deadline`;
 * for the time before the service starts.  Returns 0, or -1 after logging that it is not. */
int dispatcher_await(struct dispatcher *dispatcher, uint64_t deadline);

/* Whether a start of it has failed a moment ago. */
bool dispatcher_is_failing(const struct dispatcher *dispatcher);

/* How many starts it can be given now. */
unsigned dispatcher_room(const struct dispatcher *dispatcher);

/* Has a START wait for dispatcher_flush(), as channel_start(). */
void dispatcher_start(struct dispatcher *dispatcher, union message *start, int descriptor);

/* Sends what waits.  Returns 0, or -1 with errno, and what waited is undelivered; if it was found
 * dead, it is not ready any more then. */
int dispatcher_flush(struct dispatcher *dispatcher);

/* Takes back what waits for dispatcher_flush(): `undelivered` is told of each. */
void dispatcher_withdraw(struct dispatcher *dispatcher);

/* Asks it something else, as channel_ask(), once what waits is sent.  If it was found dead, it is
 * not ready any more. */
int dispatcher_ask(struct dispatcher *dispatcher, const union message *request,
                   const int *descriptors);

/* Whether there is a process that can be reaped. */
bool dispatcher_has_process(const struct dispatcher *dispatcher);

/* Takes note that its process has been reaped. */
void dispatcher_died(struct dispatcher *dispatcher, int status);

/* From now on it has no more than so many microseconds for an answer, also for one that is due. */
void dispatcher_hurry(struct dispatcher *dispatcher, uint64_t allowed);

/* Leaves a place among the processes to a handler: one that is ready and owes nothing is ended, and
 * its successor, as that of one who is absent, comes much later. */
void dispatcher_give_way(struct dispatcher *dispatcher);

/* Ends it for good.  Returns whether its process is left, to be reaped. */
bool dispatcher_close(struct dispatcher *dispatcher);

#endif
