/*
 * running.h - clients with a handler: from the queue to a dispatcher, from there to a handler, and
 * to its end.
 *
 * The room's state is struct running.  server/ decides how many clients may start; running_start()
 * gives them to dispatchers, in the queue's order.  The pool answers each start exactly once: the
 * handler runs, or the client waits again in its old place.  ending.h has the end of handlers.
 *
 * A client's descriptor is closed here once the packet to the dispatcher holds the connection.
 * Nothing here blocks.
 */
#ifndef SUPERVISOR_RUNNING_RUNNING_H
#define SUPERVISOR_RUNNING_RUNNING_H

#include "supervisor/base/backoff.h"
#include "supervisor/base/loop.h"
#include "supervisor/pool/pool.h"
#include "supervisor/queue/queue.h"
#include "supervisor/running/ending.h"
#include "supervisor/running/events.h"

#include <stdbool.h>
#include <stdint.h>

struct running {
    struct loop *loop;
    struct queue *queue;
    struct pool *pool;
    struct running_events events;
    struct ending ending;
    struct backoff starting; /* the last start failed */
    bool no_process;         /* for want of a process */
};

/* Opens the room; what is passed must stay, and the pool is not used before running_start(). */
void running_open(struct running *running, struct loop *loop, const struct options *options,
                  struct queue *queue, struct pool *pool, const struct running_events *events);

/* What the pool is to call. */
struct pool_events running_pool_events(struct running *running);

/* Gives up to `count` waiting clients to dispatchers.  Returns 0, or -1 with errno: some at least
 * wait again, and the next attempt is delayed. */
int running_start(struct running *running, uint32_t count);

/* If no handler can be started although none runs, dispatchers have taken the last places under a
 * limit on processes: ends one of them. */
void running_make_room(struct running *running);

#endif
