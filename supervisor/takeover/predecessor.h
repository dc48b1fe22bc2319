/*
 * predecessor.h - the new process of a takeover (inheritance.h), from GO on: it takes the clients
 * of the old process and then serves.
 *
 * Clients whose handler runs in the old process count here as running (CLIENT_FOREIGN) until the
 * old process reports the end of the handler, or dies.
 */
#ifndef SUPERVISOR_TAKEOVER_PREDECESSOR_H
#define SUPERVISOR_TAKEOVER_PREDECESSOR_H

#include "supervisor/base/loop.h"
#include "supervisor/queue/queue.h"
#include "supervisor/takeover/events.h"
#include "supervisor/takeover/takeover.h"

#include <stdbool.h>

struct predecessor {
    struct loop *loop;
    struct queue *queue;
    struct takeover_events events;
    struct loop_source source; /* the link to the old process; descriptor -1: there is none */
    struct loop_timer again;   /* when to send END again */
    int owed;                  /* the signal of END */
    bool left;                 /* LEFT was received: this process speaks to the service manager */
    bool paused;               /* the operator had paused the old process */
};

/* Opens the module; what is passed must stay. */
void predecessor_open(struct predecessor *predecessor, struct loop *loop, struct queue *queue,
                      const struct takeover_events *events);

/* Takes the clients, and waits until the old process serves no more.  Returns 0, or -1 after a log
 * line: then the old process serves on, and this process must end without touching a client. */
int predecessor_take(struct predecessor *predecessor, struct takeover *takeover);

/* Tells the old process that it may remove its files and leave: ours are in their places. */
void predecessor_settled(struct predecessor *predecessor);

/* Makes the old process send a signal to its handlers, because the service ends.  Does not block:
 * tries again if the link takes nothing now. */
void predecessor_end(struct predecessor *predecessor, int signal_number);

#endif
