/*
 * server.h - the service: its one state, and what happens on each event.
 *
 * Everything else in this folder knows its own concern only; here they meet.  After each round of
 * events it looks at what can be done now: accept, start, wake up later, or end.
 */
#ifndef SUPERVISOR_SERVER_SERVER_H
#define SUPERVISOR_SERVER_SERVER_H

#include "supervisor/admission/admission.h"
#include "supervisor/admission/gates.h"
#include "supervisor/base/backoff.h"
#include "supervisor/base/limiter.h"
#include "supervisor/base/loop.h"
#include "supervisor/control/control.h"
#include "supervisor/figures/statistics.h"
#include "supervisor/figures/trouble.h"
#include "supervisor/keeper/janitor.h"
#include "supervisor/keeper/notify.h"
#include "supervisor/keeper/watchdog.h"
#include "supervisor/listen/listener.h"
#include "supervisor/options/options.h"
#include "supervisor/pool/pool.h"
#include "supervisor/queue/clients.h"
#include "supervisor/queue/policy.h"
#include "supervisor/queue/refusal.h"
#include "supervisor/queue/watch.h"
#include "supervisor/running/timeout.h"
#include "supervisor/server/processor.h"
#include "supervisor/server/reload.h"
#include "supervisor/takeover/handover_link.h"
#include "supervisor/takeover/predecessor.h"

/* How far the end of the service has come; it only goes down this list. */
enum server_stage {
    SERVER_SERVING,
    SERVER_HANDED_OVER, /* another process serves; handlers are waited for */
    SERVER_DRAINING,    /* no new clients; queue and handlers are waited for */
    SERVER_TERMINATING, /* the queue is dropped; handlers have been sent SIGTERM */
    SERVER_KILLING      /* they have been sent SIGKILL */
};

struct server_listener {
    struct server *server;
    struct listener *listener;
    struct loop_source source;
    bool draining;  /* nobody is accepted but those who were in its backlog when this began */
    bool deaf;      /* another process has shut it down: nobody is ever accepted from it again */
    uint32_t left;  /* in draining: how many of them are still to be accepted */
    uint64_t round; /* of the loop, in which clients were accepted last */
};

/* What the service manager is told of it. */
struct server_standing {
    uint32_t stage; /* enum server_stage */
    uint32_t waiting;
    uint32_t running;
    uint32_t permitted; /* handlers; 0: no limit */
    uint32_t paused;
};

enum { SERVER_BUSIEST_TEXT = 2048 };

/* The busiest sources as they were told the last time, in JSON. */
struct server_busiest {
    uint64_t until; /* not to be looked for again before then; 0: at any time */
    char text[SERVER_BUSIEST_TEXT];
};

struct server {
    struct options *options;   /* as they are now: the operator may have changed some */
    struct janitor *janitor;   /* not owned; it is a child of ours */
    struct takeover *takeover; /* not owned, and of use until we serve; NULL without --takeover */
    struct loop loop;
    struct clients clients;
    struct pool pool;
    struct processor processor;
    struct gates gates;
    struct policy policy;
    struct watch watch; /* over those who wait */
    struct refusals refusals;

    struct server_listener *listeners;
    size_t listener_count;
    size_t first_listener;   /* the first to be listened to again: each in turn, or those behind it
                              * would never be heard while there is little room */
    uint32_t capacity;       /* descriptors there are for clients that wait */
    uint32_t queue_possible; /* of these, for --queue */
    uint32_t queue_maximum;  /* clients that may wait, once those are started that may */
    uint32_t permitted;      /* of those who wait so many may start, once a dispatcher has room */
    uint64_t crowded_until;  /* until then these do not count as waiting; 0: there is room */
    uint64_t judged;         /* up to this ticket: waiting_judge() */
    uint64_t attended;       /* up to this one they were watched */
    uint64_t attend_at;      /* when those behind it are; 0: nobody is there */
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
    struct trouble trouble;
    struct limiter refused[CLIENT_ENDS]; /* lines in the log */
    struct loop_timer refused_told;      /* when to say how many were left out */
    struct control *control;             /* the operator's connections; NULL without --control */
    uid_t starter;                       /* who has started this process */
    struct control *metrics;             /* those of who may only look; NULL without --metrics */
    struct statistics statistics;
    struct server_busiest busiest;
    struct handover handover;       /* to the one that is to take our place */
    struct predecessor predecessor; /* whose place we have taken */
    uint64_t began;                 /* of the loop's clock */
    int64_t began_at;               /* seconds since 1970 */
    uint32_t descriptors_allowed;   /* to this process */
    uint32_t descriptors_own;       /* of these it has so many that are no client's */
    bool no_process;                /* a handler could not be started for want of a process */
    bool paused;                    /* by the operator: nobody is started */
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

    struct notify notify;
    struct watchdog watchdog;
    struct server_standing told; /* to the service manager */
};

/* Opens what the service needs besides its listeners and its policy, which are there already, all
 * that takes privileges included, and starts the dispatchers.  `options`, which may change, and
 * `listeners` must stay.  `limit` is how many descriptors this process may have, and `user` who may
 * steer it over the control socket, besides root.  Returns 0, or -1 after logging why not. */
int server_open(struct server *server, struct options *options, struct listeners *listeners,
                struct launch *launch, uint32_t limit, uid_t user);

/* To be called when nothing is open any more that was so for the start only, but --ready-fd. */
void server_count_descriptors(struct server *server);

/* Serves until it is told to end by a signal, or cannot go on; nothing is left running then that
 * could be ended. */
void server_run(struct server *server);

#endif
