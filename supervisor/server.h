/*
 * server.h - the service: its one state, and what happens on each event.
 *
 * Everything else in this folder knows its own concern only; here they meet.  After each round of
 * events it looks at what can be done now: accept, start, wake up later, or end.
 */
#ifndef SUPERVISOR_SERVER_H
#define SUPERVISOR_SERVER_H

#include "supervisor/admission.h"
#include "supervisor/backoff.h"
#include "supervisor/clients.h"
#include "supervisor/gates.h"
#include "supervisor/limiter.h"
#include "supervisor/listener.h"
#include "supervisor/loop.h"
#include "supervisor/options.h"
#include "supervisor/policy.h"
#include "supervisor/pool.h"
#include "supervisor/refusal.h"
#include "supervisor/reload.h"
#include "supervisor/timeout.h"
#include "supervisor/watch.h"

/* How far the end of the service has come; it only goes down this list. */
enum server_stage {
    SERVER_SERVING,
    SERVER_DRAINING,    /* no new clients; queue and handlers are waited for */
    SERVER_TERMINATING, /* the queue is dropped; handlers have been sent SIGTERM */
    SERVER_KILLING      /* they have been sent SIGKILL */
};

struct server_listener {
    struct server *server;
    struct listener *listener;
    struct loop_source source;
    uint32_t left; /* in draining: how many of its backlog are still to be accepted */
};

struct server {
    const struct options *options;
    struct loop loop;
    struct clients clients;
    struct pool pool;
    struct gates gates;
    struct policy policy;
    struct watch watch; /* over those who wait */
    struct refusals refusals;

    struct server_listener *listeners;
    size_t listener_count;
    size_t first_listener;  /* the first to be listened to again: each in turn, or those behind it
                             * would never be heard while there is little room */
    uint32_t capacity;      /* descriptors there are for clients that wait */
    uint32_t queue_maximum; /* clients that may wait, once those are started that may */
    uint32_t permitted;     /* of those who wait so many may start, once a dispatcher has room */
    uint64_t crowded_until; /* until then these do not count as waiting; 0: there is room */
    uint64_t judged;        /* up to this ticket: waiting_judge() */
    uint64_t attended;      /* up to this one they were watched */
    enum admission_reason held_back_by; /* why not more of the waiting clients were started */
    bool backlog_waits;       /* somebody is in the kernel's backlog whom we cannot take yet */
    struct backoff accepting; /* accept failed for want of something */
    struct backoff starting;  /* handlers cannot be started */
    uint64_t rouse_at; /* when to wake dispatchers, should somebody have stopped them; 0: nothing
                        * waits for what they may have to tell */
    struct loop_timer wake; /* when to look again at what no event will announce */

    struct loop_source signals;
    struct timeouts timeouts; /* of those that run */
    struct reload reload;
    struct limiter refused[CLIENT_ENDS]; /* lines in the log */
    struct loop_timer refused_told;      /* when to say how many were left out */
    bool status_asked; /* answered after the round, when nobody is on the way between two states */
    enum server_stage stage;
    struct loop_timer stage_end; /* when to go on to the next stage */
    int ending_signal;           /* what every handler is to get; 0: nothing, service goes on */
    uint64_t signals_owed; /* when to send what no dispatcher could take; 0: nothing is owed */
    bool unsignalled;      /* signals to children of ours may have been lost with a dispatcher */
    bool reaping_held; /* children of ours are being signalled, and must not be reaped meanwhile */
    uint32_t groups_left; /* clients whose handler has ended, but not its group */
    bool interrupted;     /* by SIGINT: it is what we die of */
    bool forced;          /* not everybody was served, or not every handler left alone */
};

/* Opens what the service needs besides its listeners, all that takes privileges included, and
 * starts the dispatchers.  `options` and `listeners` must stay.  `limit` is how many descriptors
 * this process may have.  Returns 0, or -1 after logging why not. */
int server_open(struct server *server, const struct options *options, struct listeners *listeners,
                struct launch *launch, uint32_t limit);

/* Serves until it is told to end by a signal, or cannot go on; nothing is left running then that
 * could be ended. */
void server_run(struct server *server);

#endif
