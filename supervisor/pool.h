/*
 * pool.h - the dispatchers together: which of them gets the next client, and whose child it was.
 */
#ifndef SUPERVISOR_POOL_H
#define SUPERVISOR_POOL_H

#include "supervisor/dispatcher.h"

enum { POOL_MAXIMUM = 64 };

struct pool {
    struct dispatcher dispatchers[POOL_MAXIMUM];
    unsigned count;
    struct dispatcher_events events;
    struct remains *left; /* of dead dispatchers: children whose exec has not come back */
};

enum pool_result {
    POOL_STARTED,
    POOL_NOBODY, /* no dispatcher can take it; when one can again, that will be an event */
    POOL_FAILED  /* errno says why; it may be tried again */
};

/* Starts `count` dispatchers and waits, for some seconds at most, until all are ready.  If not all
 * can be started, those that can, one at least, have to do at first.  Returns 0, or -1 after
 * logging why not.  `loop` and `launch` must stay. */
int pool_open(struct pool *pool, struct loop *loop, struct launch *launch, unsigned count,
              const struct dispatcher_events *events);

/* How many starts can be given out now. */
unsigned pool_room(const struct pool *pool);

/* Gives a client to the dispatcher with the fewest starts unanswered, so that one that is stuck is
 * given more only when the others have as many. */
enum pool_result pool_start(struct pool *pool, union message *start, int descriptor);

/* See dispatcher_signal(). */
int pool_signal(struct pool *pool, unsigned dispatcher, const union message *signal);

/* Reaps dead dispatchers.  To be called before other children are reaped: then it is known already
 * which of those are handlers. */
void pool_reap(struct pool *pool);

/* Takes note of a process that was reaped; returns whether it was a dispatcher. */
bool pool_reaped(struct pool *pool, pid_t process, int status);

/* Takes note that a process which is no dispatcher has been reaped, and tells whose start led to
 * it, if that start has not been answered.  Returns whether there is one. */
bool pool_reaped_start(struct pool *pool, pid_t process, uint32_t *client, uint64_t *ticket);

/* Signals handlers of dead dispatchers whose exec has not come back. */
void pool_signal_left(const struct pool *pool, int signal_number);

/* From now on dead dispatchers get no successor: nobody will be started any more. */
void pool_stop_replacing(struct pool *pool);

/* Kills all dispatchers: their handlers become children of this process. */
void pool_kill(struct pool *pool);

/* Lets stopped dispatchers go on, since handlers are signalled through them. */
void pool_continue(const struct pool *pool);

/* Ends and reaps them all. */
void pool_close(struct pool *pool);

#endif
