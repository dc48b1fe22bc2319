/*
 * running.h - clients with a handler: takes them from the queue to a dispatcher, and follows each
 * handler to its end: by itself, by a time-out, or because the service ends.
 *
 * The room's state is struct running.  server/ decides how many clients may start; running_start()
 * gives them to dispatchers, in the queue's order.  The pool answers each start exactly once: the
 * handler runs, or the client waits again in its old place.  A client whose start fails although
 * others succeed steps aside (aside.h).
 *
 * Handlers are signalled with their whole process group, by their dispatcher; or, once that is
 * dead, by the keeper.  Each is the handler's parent, so no process id is signalled after it was
 * reaped.
 *
 * A handler that was signalled counts as running until its process group is empty: what it leaves
 * behind are children of the keeper.  With --leftovers end, the same holds for a handler that ends
 * and leaves processes in its group: they are signalled.
 *
 * A client's descriptor is closed here once the packet to the dispatcher holds the connection; or,
 * if watch.h needs it, once the handler has ended.
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
#include "supervisor/running/aside.h"
#include "supervisor/running/strays.h"
#include "supervisor/running/timeout.h"
#include "supervisor/running/watch.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What the room tells server/, and asks it. */
struct running_events {
    /* The client was given to a dispatcher. */
    void (*given)(void *context);
    /* No handler was started: the client waits again, or was closed. */
    void (*returned)(void *context);
    /* The client's handler runs.  This comes again after a kill, unless `start_counted`. */
    void (*started)(void *context, const struct client *client);
    /* The client's handler could not be started, as errno says.  The next attempt comes after
     * `delay` microseconds. */
    void (*failed)(void *context, uint64_t ticket, uint64_t delay);
    /* The client's handler could not be started, as errno says, perhaps because of this client: it
     * steps aside, or will be `closed`. */
    void (*failed_alone)(void *context, const struct client *client, bool closed);
    /* The client's handler has ended.  `status`, as wait(2) gives it, and `usage` may be NULL: a
     * dispatcher that dies may take that knowledge along.  This may come again after a kill, then
     * with `end_counted` if it counts no more. */
    void (*ended)(void *context, const struct client *client, const int *status,
                  const struct usage *usage);
    /* The handler, and its process group if it was signalled, are gone.  Returns false to keep
     * the client's record; the receiver ends it later. */
    bool (*may_end)(void *context, struct client *client, const int *status);

    /* These ask the keeper.  Each returns false if the request must be repeated later.
     *
     * To say if it has no such child, by ending_reaped() with this `mark`. */
    bool (*adopt)(void *context, pid_t process, uint32_t mark);
    /* To signal a process group. */
    bool (*signal)(void *context, pid_t process, int signal_number);
    /* To say when none of its children is in a process group, by ending_group_empty(). */
    bool (*await_group)(void *context, pid_t process);
    /* As `kill` of struct pool_events. */
    void (*kill)(void *context, unsigned dispatcher, uint32_t generation, bool give_way);
    void *context;
};

enum { RUNNING_ADOPTED = 1024 /* lists; a power of two */ };

struct running {
    struct loop *loop;
    struct queue *queue;
    struct clients *clients; /* of the queue */
    struct pool *pool;
    struct running_events events;

    struct backoff starting; /* the last start failed, and no client is to blame */
    struct aside aside;
    bool no_process; /* for want of a process */

    struct timeouts timeouts;
    struct watch watch;
    bool end_leftovers;
    int signal;                        /* for every handler; 0: the service goes on */
    bool alone;                        /* the keeper is dead */
    struct loop_timer owed;            /* when to repeat requests that could not be sent */
    struct loop_timer expiry;          /* when the next handler has run for too long */
    uint32_t adopted[RUNNING_ADOPTED]; /* by the process of their handler: lists, as next_adopted */
    struct strays *strays;
};

/* Opens the room; what is passed must stay, and the pool is not used before running_start().
 * Returns 0, or -1 with errno. */
int running_open(struct running *running, struct loop *loop, const struct options *options,
                 struct queue *queue, struct pool *pool, struct strays *strays,
                 const struct running_events *events);

/* Takes the place of an earlier supervisor, with the clients that are in the books: their starts
 * and handlers become known to the pool, which is about to call the roll.  Waiting clients whose
 * connection is gone end like this.  Returns how many.  `strays` holds the connections that no
 * client has. */
uint32_t running_recall(struct running *running, enum client_end end);

/* Returns what the pool calls. */
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

/* Ends a handler that is of no use any more: SIGTERM, then SIGKILL. */
void ending_useless(void *context, struct client *client, const char *why);

/* Sends every handler this signal, including handlers that are only being started. */
void ending_all(struct running *running, int signal_number);

/* Sends every request that is due to a dispatcher or to the keeper. */
void ending_pursue_all(void *context);

/* Signals handlers whose time is over; to be called after each round of events. */
void ending_advance(struct running *running);

/* Sets the timer for the next such signal; to be called after each round in which clients may have
 * been given to dispatchers. */
void ending_set_timer(struct running *running);

/* Takes the keeper's report that a child has ended, with its status, as of wait(2), and its usage;
 * or with neither, its answer to `adopt` with that mark. */
void ending_reaped(struct running *running, pid_t process, uint32_t mark, const int *status,
                   const struct usage *usage);

/* Takes the keeper's answer to `await_group`. */
void ending_group_empty(struct running *running, pid_t process);

/* The keeper is dead: ends the clients about whose handlers only the keeper could say more, and no
 * longer waits for the group of a handler that has ended. */
void ending_lose_keeper(struct running *running);

/* Ends the client of a handler that was a child of the process before this one. */
void ending_foreign(struct running *running, struct client *client, const int *status);

/* `exited` of struct pool_events. */
bool ending_exited(void *context, unsigned dispatcher, const struct message_exited *message);

/* Ends the client of a handler whose end was not reported, although its dispatcher lives. */
void ending_unknown(struct running *running, struct client *client);

/* Notes which start and which end of a handler, by the tickets of their clients, an earlier
 * supervisor has counted last: it may have been killed before it noted that.  To be called before
 * the roll call. */
void ending_note_counted(const struct running *running, uint64_t started, uint64_t ended);

/* Takes over the handlers of an earlier supervisor. */
void ending_recall(struct running *running);

/* `gone`: adopts the handlers of a dead dispatcher, or ends their clients if they have ended.  If
 * the service ends, signals its other children as well. */
void ending_adopt_all(void *context, unsigned dispatcher);

#endif
