/*
 * running.h - clients with a handler: takes them from the queue to a dispatcher, and follows each
 * handler to its end: by itself, by a time-out, or because the service ends.
 *
 * The room's state is struct running.  server/ decides how many clients may start; running_start()
 * gives them to dispatchers, in the queue's order.  The pool answers each start exactly once: the
 * handler runs, or the client waits again in its old place.
 *
 * Handlers are signalled through dispatchers, because this process has no kill(2), and always with
 * their whole process group.  While a handler is a child of its dispatcher, the dispatcher knows
 * whether it lives.  Once it is a child of ours, we reap nothing until the signal is sent.  So no
 * process id is signalled after it was reaped.
 *
 * A handler that was signalled counts as running until its process group is empty.
 *
 * A client's descriptor is closed here once the packet to the dispatcher holds the connection.
 * Nothing here blocks.
 */
#ifndef SUPERVISOR_RUNNING_RUNNING_H
#define SUPERVISOR_RUNNING_RUNNING_H

#include "supervisor/base/backoff.h"
#include "supervisor/base/loop.h"
#include "supervisor/base/usage.h"
#include "supervisor/options/options.h"
#include "supervisor/pool/pool.h"
#include "supervisor/queue/queue.h"
#include "supervisor/running/timeout.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What the room tells server/, and asks it. */
struct running_events {
    /* The client was given to a dispatcher. */
    void (*given)(void *context);
    /* The client waits again: no handler was started. */
    void (*returned)(void *context);
    /* The client's handler runs. */
    void (*started)(void *context, const struct client *client);
    /* The client's handler could not be started, as errno says.  The next attempt comes after
     * `delay` microseconds. */
    void (*failed)(void *context, uint64_t ticket, uint64_t delay);
    /* The client's handler has ended.  `status`, as wait(2) gives it, and `usage` may be NULL: a
     * dispatcher that dies may take that knowledge along. */
    void (*ended)(void *context, const struct client *client, const int *status,
                  const struct usage *usage);
    /* The handler, and its process group if it was signalled, are gone.  Returns false to keep
     * the client's record; the receiver ends it later. */
    bool (*may_end)(void *context, struct client *client, const int *status);
    /* A child was reaped that is neither a dispatcher nor a known handler.  Returns true if
     * the receiver knows it. */
    bool (*reaped)(void *context, pid_t process);
    void *context;
};

struct running {
    struct loop *loop;
    struct queue *queue;
    struct clients *clients; /* of the queue */
    struct pool *pool;
    struct running_events events;

    struct backoff starting; /* the last start failed */
    bool no_process;         /* for want of a process */

    struct timeouts timeouts;
    int signal;               /* for every handler; 0: the service goes on */
    struct loop_timer owed;   /* when to send signals that no dispatcher could take */
    struct loop_timer expiry; /* when the next handler has run for too long */
    uint32_t groups_left;     /* clients whose handler has ended, but not its process group */
    bool reaping_held;        /* our children are being signalled, and must not be reaped */
};

/* Opens the room; what is passed must stay, and the pool is not used before running_start(). */
void running_open(struct running *running, struct loop *loop, const struct options *options,
                  struct queue *queue, struct pool *pool, const struct running_events *events);

/* Returns what the pool calls, except `content`. */
struct pool_events running_pool_events(struct running *running);

/* Gives up to `count` waiting clients to dispatchers.  Returns 0, or -1 with errno if at
 * least one of them waits again; then the next attempt is delayed. */
int running_start(struct running *running, uint32_t count);

/* If no handler can be started although none runs, dispatchers have taken the last places under a
 * limit on processes: ends one of them. */
void running_make_room(struct running *running);

/* ---- ending.c: how handlers end ---- */

/* Takes over a client whose handler runs: watches its time, and sends it a signal that is due.  If
 * its dispatcher is dead, adopts the handler. */
void ending_begin(struct running *running, struct client *client);

/* Sends every handler this signal, including handlers that are only being started. */
void ending_all(struct running *running, int signal_number);

/* Sends every handler the signal that it must get and has not got. */
void ending_signal_all(void *context);

/* Does what is due, after each round of events: sends signals that are owed or must be repeated,
 * reaps what had to wait, and signals handlers whose time is over. */
void ending_advance(struct running *running);

/* Reaps all children that have ended: dispatchers, adopted handlers, and what handlers left behind.
 * While our children are being signalled, reaps dispatchers only. */
void ending_reap(struct running *running);

/* Ends the client of a handler that was a child of the process before this one. */
void ending_foreign(struct running *running, struct client *client, const int *status);

/* `exited` of struct pool_events. */
bool ending_exited(void *context, unsigned dispatcher, const struct message_exited *message);

/* `gone`: adopts the handlers of a dead dispatcher, or ends their clients if they have ended.  If
 * the service ends, signals its other children as well. */
void ending_adopt_all(void *context, unsigned dispatcher);

/* `is_handler` of struct pool_events. */
bool ending_is_handler(void *context, pid_t process);

#endif
