/*
 * dispatcher.h - one dispatcher: its start, its requests and answers, its death, and how its
 * STARTs are decided then.  pool.h has the contract of them all.
 */
#ifndef SUPERVISOR_POOL_DISPATCHER_H
#define SUPERVISOR_POOL_DISPATCHER_H

#include "supervisor/base/backoff.h"
#include "supervisor/base/loop.h"
#include "supervisor/pool/channel.h"
#include "supervisor/pool/events.h"
#include "supervisor/pool/remains.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { POOL_MAXIMUM = 64 /* dispatchers besides the spare */ };

enum dispatcher_state {
    DISPATCHER_ABSENT,   /* no process; `restart` is the time of the next start */
    DISPATCHER_STARTING, /* has not sent READY */
    DISPATCHER_READY,
    DISPATCHER_ENDING /* killed or dead, and not reaped */
};

struct dispatcher {
    struct pool *pool;
    unsigned index;
    bool spare; /* takes no clients */
    bool heard; /* has sent a valid message since pool_has_answered() was called */

    enum dispatcher_state state;
    pid_t process;  /* 0: not known yet */
    bool reaped;    /* is dead: its slots in the ledger will not change any more */
    uint64_t since; /* the time of its start */
    struct channel channel;
    struct remains *remains; /* allocated at its start, so that its death cannot lack memory */

    uint64_t failing_until; /* others are preferred until then, because a start has failed */

    struct loop_timer silence; /* set while the dispatcher owes an answer */
    uint64_t due;              /* time of the answer; kept when the timer expires */
    uint64_t allowed;          /* microseconds for an answer */
    bool extended;             /* the answer is late and has got more time */

    bool replaced;             /* gets a successor when it dies */
    bool gave_way;             /* was killed to make room for a handler, and has no successor yet */
    struct loop_timer restart; /* the time of the next start */
    struct backoff backoff;
    int error;           /* errno of the last start that failed */
    uint64_t generation; /* number of starts at this index */
    int parent;          /* index of the dispatcher asked to fork it; -1: it is forked */
    int avoided;         /* index of the last one asked in vain; -1: none */
};

/* The dispatchers and what they share. */
struct pool {
    struct loop *loop;
    struct pool_events events;
    /* The functions of succession.h, which dispatcher.c does not know. */
    void (*restart)(void *dispatcher);
    void (*forked)(struct dispatcher *parent, const struct message_forked *answer);

    unsigned count; /* without the spare, which is behind the others */
    unsigned most;  /* unanswered STARTs per dispatcher */
    struct channel_reserve reserve;
    struct remains *left; /* of dead dispatchers */
    struct dispatcher dispatchers[POOL_MAXIMUM + 1];
};

/* Prepares an absent dispatcher. */
void dispatcher_open(struct dispatcher *dispatcher, struct pool *pool, unsigned index);

/* From now on replaces the dispatcher when it dies or cannot be started. */
void dispatcher_keep(struct dispatcher *dispatcher);

/* Takes note that the dispatcher is being started with these ends, and takes them over.  `process`
 * is 0 if only `parent`, which was asked to fork it, knows it.  Returns 0, or -1 with errno and the
 * ends closed. */
int dispatcher_begin(struct dispatcher *dispatcher, struct channel_ends *ends, pid_t process,
                     int parent);

/* Takes note that the start failed with an errno, and schedules the next. */
void dispatcher_failed(struct dispatcher *dispatcher, int error);

/* Takes note that no dispatcher can fork it now, and schedules the next start. */
void dispatcher_postpone(struct dispatcher *dispatcher);

/* Takes note of its process, which both the dispatcher and its parent report.  Returns false if the
 * process cannot be this dispatcher's. */
bool dispatcher_take_process(struct dispatcher *dispatcher, pid_t process);

/* Takes note that its process was reaped: decides its STARTs and schedules a successor. */
void dispatcher_died(struct dispatcher *dispatcher, int status);

/* Handles all messages that have come. */
void dispatcher_hear(struct dispatcher *dispatcher);

/* Returns true if an answer is due, or READY. */
bool dispatcher_owes(const struct dispatcher *dispatcher);

/* Makes a START wait for dispatcher_flush(), like channel_start(). */
void dispatcher_start(struct dispatcher *dispatcher, union message *start, int descriptor);

/* Sends the waiting STARTs.  Returns 0, or -1 with errno: they are undelivered, and if the
 * dispatcher was found dead, it is not ready any more. */
int dispatcher_flush(struct dispatcher *dispatcher);

/* Takes back the waiting STARTs: they are undelivered. */
void dispatcher_withdraw(struct dispatcher *dispatcher);

/* Sends another request like channel_ask(), after the waiting STARTs.  If the dispatcher was found
 * dead, it is not ready any more. */
int dispatcher_ask(struct dispatcher *dispatcher, const union message *request,
                   const int *descriptors);

/* Returns true if its process can be reaped. */
bool dispatcher_has_process(const struct dispatcher *dispatcher);

/* Finds the dispatcher with a process that can be reaped; NULL if there is none. */
const struct dispatcher *dispatcher_find(const struct pool *pool, pid_t process);

/* Allows so many microseconds for each answer from now on, for a pending one too. */
void dispatcher_hurry(struct dispatcher *dispatcher, uint64_t allowed);

/* Kills a ready dispatcher that owes nothing, to make room for a handler's process; delays its
 * successor, or that of an absent one. */
void dispatcher_give_way(struct dispatcher *dispatcher);

/* Kills it for good.  Returns true if its process is left to be reaped. */
bool dispatcher_close(struct dispatcher *dispatcher);

#endif
