/*
 * dispatcher.h - one dispatcher as the supervisor sees it: gives it work, hears its answers, and
 * finds out from the ledger what became of its work when it dies; then starts its successor.
 *
 * It knows clients only as the handle and ticket that travel in messages.  What happens to them is
 * told through struct dispatcher_events: each dispatcher_start() that returned 0 is answered by
 * exactly one of `started`, `failed`, `returned` and `orphaned`, whoever is killed whenever,
 * until dispatcher_close().
 */
#ifndef SUPERVISOR_DISPATCHER_H
#define SUPERVISOR_DISPATCHER_H

#include "dispatcher/protocol.h"
#include "supervisor/backoff.h"
#include "supervisor/launch.h"
#include "supervisor/loop.h"
#include "supervisor/remains.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct dispatcher_events {
    /* The handler's exec has succeeded. */
    void (*started)(void *context, unsigned dispatcher, uint32_t client, uint64_t ticket,
                    int32_t process);
    /* No handler was started: `error` says why, an errno. */
    void (*failed)(void *context, uint32_t client, uint64_t ticket, int error);
    /* A handler has ended.  Returns false if this dispatcher has no such handler, which a sound one
     * never says. */
    bool (*exited)(void *context, unsigned dispatcher, const struct message_exited *message);
    /* A dispatcher is dead and all it said has been heard: handlers of which it has said that they
     * were started, and not that they have ended, are children of this process now. */
    void (*gone)(void *context, unsigned dispatcher);
    void *context;
    /* What becomes of a start that a dispatcher has not answered when it dies. */
    struct starts_events unanswered;
};

enum dispatcher_state {
    DISPATCHER_ABSENT,   /* no process; a successor is due when the timer says */
    DISPATCHER_STARTING, /* has not said READY yet */
    DISPATCHER_READY,
    DISPATCHER_ENDING /* killed or dead, and not reaped yet */
};

struct dispatcher {
    unsigned index;
    struct loop *loop;
    struct launch *launch;
    const struct dispatcher_events *events;
    struct remains **left;

    enum dispatcher_state state;
    pid_t process;
    struct loop_source source;
    int peer;                /* a copy of its end of the socket, closed when it is dead */
    struct starts starts;    /* not answered yet */
    struct remains *remains; /* to take over socket and ledger at its death, if need be */
    bool reaped;             /* it is dead: slots that show no process never will */
    bool closed;             /* end of file was read: no child of its is between clone and exec */
    bool distrusted;         /* it broke the protocol: nothing it says counts any more */

    bool replaced; /* it gets a successor when it dies */
    uint64_t since;
    struct backoff backoff;
    struct loop_timer restart;
    /* Set while an answer is due; no answer at all until then ends it. */
    struct loop_timer patience;
    uint64_t answer_due; /* when that is */
};

/* Prepares one that is absent.  All that is passed must stay; to `left` is added what it leaves
 * undecided when it dies. */
void dispatcher_open(struct dispatcher *dispatcher, unsigned index, struct loop *loop,
                     struct launch *launch, const struct dispatcher_events *events,
                     struct remains **left);

/* Has it replaced if it dies from now on, or if it could not be started. */
void dispatcher_keep(struct dispatcher *dispatcher);

/* Starts its process.  Returns 0, or -1 with errno. */
int dispatcher_begin(struct dispatcher *dispatcher);

/* Waits until it is ready, or until `deadline`; for the time before the service starts.  Returns 0,
 * or -1 after logging that it is not. */
int dispatcher_await(struct dispatcher *dispatcher, uint64_t deadline);

/* How many starts it can be given now. */
unsigned dispatcher_room(const struct dispatcher *dispatcher);

/* Gives it a client; it must have room.  Fills in the slot; the caller keeps the descriptor.
 * Returns 0, or -1 with errno and nothing given; if it was found dead, it is not ready any more. */
int dispatcher_start(struct dispatcher *dispatcher, union message *start, int descriptor);

/* Has it signal a handler's process group.  Returns 0, or -1 with errno; if it dies before it has
 * done so, nobody says so but `gone`. */
int dispatcher_signal(struct dispatcher *dispatcher, const union message *signal);

/* Takes note that its process has been reaped. */
void dispatcher_died(struct dispatcher *dispatcher, int status);

/* See starts_reaped(). */
bool dispatcher_reaped(struct dispatcher *dispatcher, pid_t process, uint32_t *client,
                       uint64_t *ticket);

/* Ends it for good and reaps it. */
void dispatcher_close(struct dispatcher *dispatcher);

#endif
