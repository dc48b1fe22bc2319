/*
 * takeover.h - the new process of a takeover (inheritance.h): it receives the sockets of the old
 * process, then its clients, and then serves.
 *
 * Clients whose handler runs in the old process count here as running (CLIENT_FOREIGN) until the
 * old process reports the end of the handler, or dies.
 *
 * takeover_open() and takeover_finish() wait for the old process, within deadlines; nothing else
 * here blocks.
 */
#ifndef SUPERVISOR_TAKEOVER_TAKEOVER_H
#define SUPERVISOR_TAKEOVER_TAKEOVER_H

#include "supervisor/base/loop.h"
#include "supervisor/listen/listener.h"
#include "supervisor/queue/queue.h"
#include "supervisor/takeover/inheritance.h"

#include <stdbool.h>

/* All zero before takeover_open().  Must stay as long as the process. */
struct takeover {
    int process; /* process id of the old process */
    /* All sockets of the old process, by the number of their LISTENER.  A control or metrics socket
     * is `taken` from the beginning, so that binding_open() leaves it alone; its descriptor is -1
     * once takeover_take() has given it away. */
    struct listeners listeners;
    struct inheritance_listener received[INHERITANCE_LISTENERS];

    struct loop *loop;
    struct queue *queue;
    struct takeover_events events;
    struct loop_source source; /* the link to the old process; descriptor -1: it was closed */
    struct loop_timer again;   /* when to send END again */
    int owed;                  /* the signal of END */
    bool left; /* the old process speaks no more to the service manager; until then the manager may
                * ignore this process */
    bool paused;                          /* the operator had paused the old process */
    struct inheritance_settings settings; /* that operators had set there */
};

/* Connects to the control socket at `path` and receives the sockets.  Returns 0, or -1 after a log
 * line. */
int takeover_open(struct takeover *takeover, const char *path);

/* Returns the control or metrics socket at this place, which the caller owns from now on; or -1. */
int takeover_take(struct takeover *takeover, enum inheritance_kind kind, const char *place);

/* Adds the unused listeners as retired ones, so that clients in their backlogs are served.  Returns
 * 0, or -1 with errno. */
int takeover_retire(const struct takeover *takeover, struct listeners *listeners);

/* Takes the clients, and waits until the old process serves no more.  `loop`, `queue` and the
 * context of `events` must stay.  Returns 0, or -1 after a log line: then the old process serves
 * on, and this process must end without touching a client. */
int takeover_finish(struct takeover *takeover, struct loop *loop, struct queue *queue,
                    const struct takeover_events *events);

/* Goes on hearing the old process, in the place of an earlier supervisor of this daemon.  `closed`:
 * it has closed the link. */
void takeover_resume(struct takeover *takeover, struct loop *loop, struct queue *queue,
                     const struct takeover_events *events, bool closed);

/* Tells the old process again that this one serves: an earlier supervisor may not have. */
void takeover_serving(const struct takeover *takeover);

/* Tells the old process that it may remove its files and leave: ours are in their places. */
void takeover_settled(struct takeover *takeover);

/* Closes the link, and the sockets that are left to the old process, in a process that does not
 * take over. */
void takeover_forsake(struct takeover *takeover);

/* Makes the old process send a signal to its handlers, because the service ends.  Tries again later
 * if the link takes nothing now. */
void takeover_end(struct takeover *takeover, int signal_number);

#endif
