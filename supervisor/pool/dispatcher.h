/*
 * dispatcher.h - one dispatcher: its requests and answers, its death, and how its STARTs are
 * decided then.  pool.h has the contract of them all.
 */
#ifndef SUPERVISOR_POOL_DISPATCHER_H
#define SUPERVISOR_POOL_DISPATCHER_H

#include "supervisor/base/loop.h"
#include "supervisor/pool/channel.h"
#include "supervisor/pool/events.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum dispatcher_state {
    DISPATCHER_ABSENT,   /* the keeper has reported no start since the last death */
    DISPATCHER_STARTING, /* has not sent READY */
    DISPATCHER_READY,
    DISPATCHER_ENDING /* the keeper was asked to kill it, and has not reported its death */
};

struct dispatcher {
    struct pool *pool;
    unsigned index;
    enum dispatcher_state state;
    uint32_t generation;
    pid_t process;
    bool greeted;  /* has sent READY */
    bool called;   /* during a roll call: ROLL was sent */
    uint64_t roll; /* its number */
    bool heard;    /* has sent a valid message since pool_has_answered() was called */
    bool gave_way; /* is being killed to make room for a handler */
    struct channel channel;

    uint64_t failing_until; /* others are preferred until then, because a start has failed */

    struct loop_timer timer; /* for a late answer; of one that is ending, for asking again */
    uint64_t due;            /* time of the answer; kept when the timer expires; 0: owes none */
};

/* The dispatchers and what they share. */
struct pool {
    struct loop *loop;
    struct pool_books *books;
    struct pool_events events;
    unsigned count;
    unsigned most;          /* unanswered STARTs per dispatcher */
    uint64_t allowed;       /* microseconds for an answer */
    bool opening;           /* pool_await() has not succeeded: nothing is replaced yet */
    bool failed;            /* a dispatcher died, or did not become ready, while `opening` */
    struct loop_timer late; /* ends pool_await() if nothing begins */
    struct channel *left;   /* of dead dispatchers */
    struct dispatcher dispatchers[POOL_MAXIMUM];
};

/* Prepares an absent dispatcher. */
void dispatcher_open(struct dispatcher *dispatcher, struct pool *pool, unsigned index);

/* Takes note that an absent dispatcher was started, like pool_begin(). */
void dispatcher_begin(struct dispatcher *dispatcher, uint32_t generation, pid_t process,
                      const int descriptors[CHANNEL_DESCRIPTORS]);

/* Opens the channel of a dispatcher that an earlier supervisor knew, and calls the roll.  Returns
 * 0, or -1 with errno, as channel_reopen() fails. */
int dispatcher_recall(struct dispatcher *dispatcher);

/* Takes note of its death: decides its STARTs. */
void dispatcher_died(struct dispatcher *dispatcher, int status);

/* Makes it absent without a decision. */
void dispatcher_close(struct dispatcher *dispatcher);

/* Handles all messages that have come. */
void dispatcher_hear(struct dispatcher *dispatcher);

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
int dispatcher_ask(struct dispatcher *dispatcher, const union message *request);

/* Has a ready dispatcher that owes nothing killed, to make room for a handler's process. */
void dispatcher_give_way(struct dispatcher *dispatcher);

#endif
