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
    bool heard; /* has sent a valid message since pool_has_answered() was called */

    enum dispatcher_state state;
    pid_t process;  /* 0: not known yet */
    uint64_t since; /* the time of its start */
    struct channel channel;

    uint64_t failing_until; /* others are preferred until then, because a start has failed */

    struct loop_timer silence; /* set while the dispatcher owes an answer */
    uint64_t due;              /* time of the answer; kept when the timer expires; 0: owes none */
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
    unsigned count;   /* without the spare, which is behind the others */
    unsigned most;    /* unanswered STARTs per dispatcher */
    uint64_t allowed; /* microseconds for an answer */
    bool unsignalled; /* signals to children of this process may have been lost with a dispatcher;
                       * cleared when they are sent again */
    bool lost;        /* all dispatchers are dead; none is left to fork another */
    int reserve[CHANNEL_RESERVE];
    struct channel *left; /* of dead dispatchers */
    struct dispatcher dispatchers[POOL_MAXIMUM + 1];
};

/* Prepares an absent dispatcher. */
void dispatcher_open(struct dispatcher *dispatcher, struct pool *pool, unsigned index);

/* Has an absent dispatcher forked by another; the context is that dispatcher. */
void dispatcher_restart(void *context);

/* Finds a ready dispatcher for a request that any can take: the first that owes no answer, or else
 * the one whose answer is due last.  Begins with the spare, or behind dispatcher `avoided`, which
 * comes last itself (-1: none).  Returns NULL if none is ready. */
struct dispatcher *dispatcher_find_ready(struct pool *pool, int avoided);

/* Takes note that the dispatcher, whose channel is open, is being started.  `process` is 0 if only
 * `parent`, which was asked to fork it, knows it. */
void dispatcher_begin(struct dispatcher *dispatcher, pid_t process, int parent);

/* Takes note that the start failed with an errno, and schedules the next. */
void dispatcher_failed(struct dispatcher *dispatcher, int error);

/* Takes note that no dispatcher can fork it now, and schedules the next start. */
void dispatcher_postpone(struct dispatcher *dispatcher);

/* Takes note that its process was reaped: decides its STARTs and schedules a successor. */
void dispatcher_died(struct dispatcher *dispatcher, int status);

/* Handles all messages that have come. */
void dispatcher_hear(struct dispatcher *dispatcher);

/* Returns true if an answer is due, or READY. */
bool dispatcher_owes(const struct dispatcher *dispatcher);

/* Allows the full time for the next answer, if one is due. */
void dispatcher_expect(struct dispatcher *dispatcher);

/* Makes a START wait for dispatcher_flush(), like channel_start(). */
void dispatcher_start(struct dispatcher *dispatcher, union message *start, int descriptor);

/* Sends the waiting STARTs.  Returns 0, or -1 with errno: they are `returned`, and if the
 * dispatcher was found dead, it is not ready any more. */
int dispatcher_flush(struct dispatcher *dispatcher);

/* Takes back the waiting STARTs: they are `returned`. */
void dispatcher_withdraw(struct dispatcher *dispatcher);

/* Sends another request like channel_ask(), after the waiting STARTs.  If the dispatcher was found
 * dead, it is not ready any more. */
int dispatcher_ask(struct dispatcher *dispatcher, const union message *request,
                   const int *descriptors);

/* Returns true if its process can be reaped. */
bool dispatcher_has_process(const struct dispatcher *dispatcher);

/* Finds the dispatcher with a process that can be reaped; NULL if there is none. */
struct dispatcher *dispatcher_find(struct pool *pool, pid_t process);

/* Kills a ready dispatcher that owes nothing, to make room for a handler's process; delays its
 * successor, or that of an absent one. */
void dispatcher_give_way(struct dispatcher *dispatcher);

/* Kills it for good.  Returns true if its process is left to be reaped. */
bool dispatcher_close(struct dispatcher *dispatcher);

#endif
