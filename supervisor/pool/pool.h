/*
 * pool.h - the dispatchers together: which of them gets the next client, who forks a successor, and
 * whose child a process was.
 *
 * One more than take clients is the spare: no client holds it up, so it can be asked for everything
 * else.  If it is dead or has something to do, another is asked, but not to read files.
 */
#ifndef SUPERVISOR_POOL_POOL_H
#define SUPERVISOR_POOL_POOL_H

#include "supervisor/keeper/launch.h"
#include "supervisor/pool/dispatcher.h"

enum { POOL_MAXIMUM = 64 };

struct pool {
    struct dispatcher dispatchers[POOL_MAXIMUM + 1]; /* the spare is behind the others */
    unsigned count;                                  /* without the spare */
    struct dispatcher_events events;
    struct dispatcher_family family;
    struct ends_reserve reserve;
    struct remains *left; /* of dead dispatchers: children whose exec has not come back */
};

/* Starts the spare, has it fork `count` dispatchers and waits, for some seconds at most, until all
 * are ready.  If not all can be forked, those that can, one at least, have to do at first; the
 * others are forked later.  `family` is what succession.h has.  Returns 0, or -1 after logging why
 * not.  `loop` must stay. */
int pool_open(struct pool *pool, struct loop *loop, struct launch *launch, unsigned count,
              const struct dispatcher_events *events, const struct dispatcher_family *family);

/* How many there are places for, the spare included. */
unsigned pool_all(const struct pool *pool);

/* How many of those that take clients are ready. */
unsigned pool_ready(const struct pool *pool);

/* How many starts can be given out now. */
unsigned pool_room(const struct pool *pool);

/* Gives a client, with pool_flush() at the latest, to the dispatcher with the fewest starts
 * unanswered, so that one that is stuck is given more only when the others have as many; and for a
 * while after a start of it has failed, only when the others have no room.  The
 * descriptor must stay open until then.  Returns false if none can take it; when one can again,
 * that will be an event. */
bool pool_start(struct pool *pool, union message *start, int descriptor);

/* Sends to each dispatcher the clients that it was given since the last time, all together.
 * Returns 0, or -1 with errno: some at least are undelivered, and may be tried again. */
int pool_flush(struct pool *pool);

/* Asks one dispatcher something that brings no descriptors.  Returns 0, or -1 with errno. */
int pool_ask(struct pool *pool, unsigned dispatcher, const union message *request);

/* Who can be asked for what any can do: the spare first, or who comes next after dispatcher
 * `avoided` (-1: none), but who owes an answer after the others, and `avoided` after those; NULL if
 * nobody is ready. */
struct dispatcher *pool_anybody(struct pool *pool, int avoided);

/* Asks that one.  Returns 0, or -1 with errno; ESRCH if there is nobody. */
int pool_ask_any(struct pool *pool, const union message *request);

/* Asks the spare what may hold it up.  Likewise. */
int pool_ask_spare(struct pool *pool, const union message *request);

/* Whether a signal to children of this process may be on its way. */
bool pool_is_signalling(const struct pool *pool);

/* Whether a process is a dispatcher. */
bool pool_has_process(const struct pool *pool, pid_t process);

/* Reaps dead dispatchers.  To be called before other children are reaped: then it is known already
 * which of those are handlers. */
void pool_reap(struct pool *pool);

/* Takes note of a process that was reaped; returns whether it was a dispatcher. */
bool pool_reaped(struct pool *pool, pid_t process, int status);

/* Takes note that a process which is no dispatcher has been reaped, and tells whose start led to
 * it, if that start has not been answered.  Returns whether there is one. */
bool pool_reaped_start(struct pool *pool, pid_t process, uint32_t *client, uint64_t *ticket);

/* Tells each process of a dead dispatcher whose exec has not come back: a child of this one. */
void pool_each_left(const struct pool *pool, void (*each)(void *context, pid_t process),
                    void *context);

/* From now on dead dispatchers get no successor, but for the spare: nobody will be started any
 * more.
 */
void pool_stop_replacing(struct pool *pool);

/* From now on they have no more than so many microseconds for an answer, also for one that is due,
 * or are ended, so that their handlers become children of this process. */
void pool_hurry(struct pool *pool, uint64_t allowed);

/* No handler can be started for want of a process: ends a dispatcher that has nothing to do, unless
 * it is the last but the spare one, and starts none for a while, unless there is no other.  Not to
 * be called in the midst of what a dispatcher says. */
void pool_give_way(struct pool *pool);

/* Wakes stopped dispatchers, since handlers are signalled through them. */
void pool_rouse(struct pool *pool);

/* Ends and reaps them all, but for one that does not die within a second. */
void pool_close(struct pool *pool);

#endif
