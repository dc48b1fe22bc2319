/*
 * ending.h - how handlers end: by themselves, by a time-out, or because the service ends.
 *
 * Handlers are signalled through dispatchers, since this process has no kill(2), and always with
 * their whole process group.  While a handler is a child of its dispatcher, the dispatcher knows
 * whether it lives.  Once it is a child of ours, we reap nothing until the signal is sent.  So no
 * process id is signalled after it was reaped.
 *
 * A handler that was told to end keeps its place until its process group is empty.
 */
#ifndef SUPERVISOR_RUNNING_ENDING_H
#define SUPERVISOR_RUNNING_ENDING_H

#include "supervisor/base/loop.h"
#include "supervisor/options/options.h"
#include "supervisor/pool/pool.h"
#include "supervisor/queue/clients.h"
#include "supervisor/running/events.h"
#include "supervisor/running/timeout.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct ending {
    struct loop *loop;
    struct clients *clients;
    struct pool *pool;
    const struct running_events *events;
    struct timeouts timeouts;
    int signal;               /* for every handler; 0: the service goes on */
    struct loop_timer owed;   /* when to send signals that no dispatcher could take */
    struct loop_timer expiry; /* when the next handler has run for too long */
    bool unsignalled;         /* signals to our children may have been lost with a dispatcher */
    bool reaping_held;        /* our children are being signalled, and must not be reaped */
    uint32_t groups_left;     /* clients whose handler has ended, but not its process group */
};

/* Opens the module; what is passed must stay. */
void ending_open(struct ending *ending, struct loop *loop, const struct options *options,
                 struct clients *clients, struct pool *pool, const struct running_events *events);

/* Takes over a client whose handler runs: watches its time, and sends it a signal that is due.  If
 * its dispatcher is dead, adopts the handler. */
void ending_begin(struct ending *ending, struct client *client);

/* Sends every handler this signal, including handlers that are only being started. */
void ending_all(struct ending *ending, int signal_number);

/* Does what is due, after each round of events: sends signals that are owed or must be repeated,
 * reaps what had to wait, and signals handlers whose time is over. */
void ending_advance(struct ending *ending);

/* Ends the client of a handler, as its dispatcher reports.  Returns false if the dispatcher has no
 * such handler. */
bool ending_exited(struct ending *ending, unsigned dispatcher,
                   const struct message_exited *message);

/* Ends the client of a handler that was a child of the process before this one. */
void ending_foreign(struct ending *ending, struct client *client, const int *status);

/* A dispatcher is dead: adopts its handlers, or ends their clients if they have ended.  If the
 * service ends, signals its other children as well. */
void ending_adopt_all(struct ending *ending, unsigned dispatcher);

/* Whether a process is the handler of a running client. */
bool ending_is_handler(const struct ending *ending, pid_t process);

/* Reaps all children that have ended: dispatchers, adopted handlers, and what handlers left behind.
 * While our children are being signalled, reaps dispatchers only. */
void ending_reap(struct ending *ending);

#endif
