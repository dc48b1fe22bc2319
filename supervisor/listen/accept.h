/*
 * accept.h - from the kernel's backlog into the queue: when clients are accepted, and when they are
 * left where they are.
 *
 * The acceptor watches the listeners while there is room, accepts some clients in each round, and
 * stops watching when there is none: clients then wait in the kernel's backlog.  If accept(2) fails
 * for want of something, it tries again on a timer, with a growing delay.  Nothing here blocks.
 */
#ifndef SUPERVISOR_LISTEN_ACCEPT_H
#define SUPERVISOR_LISTEN_ACCEPT_H

#include "supervisor/base/backoff.h"
#include "supervisor/base/loop.h"
#include "supervisor/listen/listener.h"

#include <stdbool.h>
#include <stddef.h>

enum { ACCEPT_BATCH = 64 /* clients accepted before other events get their turn */ };

/* What the acceptor asks and tells server/. */
struct accept_events {
    bool (*has_room)(void *context); /* for one more client */
    /* Makes sure that a client can be entered.  Returns 0, or -1 with errno. */
    int (*reserve)(void *context);
    /* A client was accepted; the receiver owns the descriptor. */
    void (*accepted)(void *context, int descriptor, const struct endpoint *remote);
    void *context;
};

struct acceptor {
    struct loop *loop;
    struct accept_events events;
    struct listener *listeners; /* not owned */
    size_t count;
    size_t first;       /* modulo `count`: the listener to be watched first.  Each takes its turn;
                         * otherwise the last ones would starve while there is little room */
    bool backlog_waits; /* a client may be in the kernel's backlog that we cannot take yet */
    bool held;          /* by accept_hold() */
    bool ending;        /* no listener is watched again */
    struct backoff failures;
    struct loop_timer retry;
};

/* Begins to watch the listeners, except retired and closed ones.  All arguments must stay.  Returns
 * 0, or -1 with errno. */
int accept_open(struct acceptor *acceptor, struct loop *loop, struct listeners *listeners,
                const struct accept_events *events);

/* Watches the listeners again if there is room, and accepts from those that drain. */
void accept_resume(struct acceptor *acceptor);

/* Reports whether a client is in the kernel's backlog that cannot be taken yet.  If the backlog
 * turns out to be empty, watches the listeners again. */
bool accept_backlog_waits(struct acceptor *acceptor);

/* Leaves all clients in the backlog while held; accept_resume() goes on afterwards. */
void accept_hold(struct acceptor *acceptor, bool held);

/* Accepts only clients that are in the backlog now, as there is room for them. */
void accept_drain(struct acceptor *acceptor);

/* Closes the backlogs of retired listeners to new clients.  The process before this one had these
 * listeners, and this one does not want them; clients in their backlogs are still accepted. */
void accept_retire(struct acceptor *acceptor);

/* Closes all listeners.  The kernel then resets the clients in their backlogs, some 30 ms for 4,000
 * clients and not in slices.  That is only so at the end, when nobody is served any more; after a
 * takeover, the new process has the listeners. */
void accept_stop(struct acceptor *acceptor);

/* Reports whether other processes have shut down all listeners that are open. */
bool accept_is_deaf(const struct acceptor *acceptor);

/* Reports whether all listeners are closed. */
bool accept_has_ended(const struct acceptor *acceptor);

/* Sets the timer for the next accept(2), if no event will announce it: after the back-off, or
 * now if there is room. */
void accept_set_timer(struct acceptor *acceptor);

#endif
