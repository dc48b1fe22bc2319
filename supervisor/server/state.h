/*
 * state.h - struct server: the rooms, and the little that belongs to none of them.
 *
 * Only server/ sees it.  server/ makes decisions that need two rooms; a room makes those that need
 * only itself.
 */
#ifndef SUPERVISOR_SERVER_STATE_H
#define SUPERVISOR_SERVER_STATE_H

#include "supervisor/admission/admission.h"
#include "supervisor/admission/gates.h"
#include "supervisor/base/loop.h"
#include "supervisor/control/control.h"
#include "supervisor/figures/report.h"
#include "supervisor/figures/snapshot.h"
#include "supervisor/keeper/files.h"
#include "supervisor/keeper/standby.h"
#include "supervisor/listen/accept.h"
#include "supervisor/options/options.h"
#include "supervisor/pool/pool.h"
#include "supervisor/queue/queue.h"
#include "supervisor/running/running.h"
#include "supervisor/takeover/handover.h"
#include "supervisor/takeover/takeover.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The stages of the service, in order; none comes twice. */
enum server_stage {
    SERVER_SERVING,
    SERVER_HANDED_OVER, /* another process serves; our handlers are awaited */
    SERVER_DRAINING,    /* no new clients; queue and handlers are awaited */
    SERVER_TERMINATING, /* the queue is dropped; handlers have been sent SIGTERM */
    SERVER_KILLING      /* handlers have been sent SIGKILL */
};

/* How the service ends: shutdown.h. */
struct shutdown {
    enum server_stage stage;
    struct loop_timer next; /* when the next stage begins */
    bool interrupted;       /* SIGINT came: the process dies of it */
    bool forced;            /* a client was not served, or a handler was killed */
};

/* Which clients start: starting.h. */
struct starting {
    enum admission_reason held_back_by; /* why no more clients were started */
    uint32_t permitted;                 /* clients that may start once a dispatcher has room */
    struct loop_timer next;             /* when to decide again, because no event will tell */
};

/* The files of the command line, read again: reload.h. */
struct reload {
    bool asked[OPTIONS_FILES];  /* a read is pending; while `owed`, its READ is not sent */
    bool again[OPTIONS_FILES];  /* another SIGHUP came while this read was pending: read again */
    bool owed[OPTIONS_FILES];   /* no READ could be sent */
    struct loop_timer retry;    /* when to send the READs that are owed */
    bool wrong;                 /* a file could not be read, or has an error */
    bool resuming;              /* reload_resume() has begun this, and no signal */
    bool needed[OPTIONS_FILES]; /* no client is accepted before this one was read */
};

/* What the service manager hears, and when: manager.h. */
struct manager {
    bool open;                /* there is a manager, and the keeper can tell it something */
    bool serving;             /* READY=1 was sent: a status may be sent */
    bool stopping;            /* STOPPING=1 was sent */
    struct loop_timer status; /* when the next status may be sent */
    uint64_t status_at;
    uint64_t watchdog_every; /* interval of WATCHDOG=1; 0: the manager wants none */
    struct loop_timer watchdog;
    struct loop_timer recovery; /* when the service may count as serving again: standby.h */
    bool asked;                 /* dispatchers were asked for an answer at least once */
    bool silent;                /* the log says why the watchdog hears nothing */
};

/* What the service manager was told last: manager.h. */
struct server_standing {
    uint32_t stage; /* enum server_stage */
    uint32_t waiting;
    uint32_t running;
    uint32_t permitted; /* handlers, or UNLIMITED */
    uint32_t paused;
    uint32_t serving; /* handlers can be started */
};

/* The busiest sources, as the last snapshot found them. */
struct server_busiest {
    uint64_t until; /* until then snapshots use these rows; 0: the next one finds new rows */
    unsigned count;
    struct snapshot_row rows[SNAPSHOT_BUSIEST];
};

enum { SERVER_SIGNALS = 32 /* numbers of signals, from 0 */ };

/* The signals that the keeper has reported.  A report may come twice, if a supervisor was killed
 * before it had set `heard`.  Its number is the same then, so the signal counts once. */
struct server_signals {
    uint64_t caught[SERVER_SIGNALS]; /* number of the last report of each signal */
    uint64_t taken[SERVER_SIGNALS];  /* the same at the last action; lower: the signal is pending */
    uint64_t acting_number;          /* of the report that is acted on */
    int32_t acting_on;               /* a signal; 0: none */
    enum server_stage stage_before;  /* that signal */
};

/* What outlives the supervisor, in memory that it shares with the standby (standby.h).  The next
 * supervisor finds it as it was, and opens the rest anew; pointers and timers in these structures
 * are set when they are opened.  What else it reads here, it checks like any input. */
struct lasting {
    struct standby standby;
    bool paused;                  /* by the operator */
    bool announced;               /* where the service listens */
    bool takeover_closed;         /* the link to the process before us */
    bool is_other_pair;           /* the descriptors in the records are not of its table */
    uint32_t descriptors_allowed; /* to the supervisor */
    uint32_t descriptors_own;     /* of the supervisor, apart from clients */
    uint32_t descriptors_left;    /* for clients */
    uint64_t heard;               /* the last report of the keeper that was acted on: link.h */
    struct server_signals signals;
    uint64_t began;         /* of the loop's clock */
    int64_t began_at;       /* seconds since 1970 */
    uint64_t lines_dropped; /* of the log */
    uint64_t strangers;     /* refused on the control socket */
    uint64_t suspect;       /* ticket of the client on which the last supervisor died of a fault */
    struct options options; /* the operator may change some while the service runs */
    struct inheritance_settings settings; /* those that operators have changed */
    struct report report;
    struct shutdown shutdown;
    struct handover handover;
    struct manager manager;
    struct pool_books pool;
    int lingering[LINGERING_MAXIMUM]; /* descriptors, plus 1; 0: none */
    int rules;      /* memory file with the access rules that were read last; -1: none */
    bool reloading; /* a SIGHUP is being acted on */
};

struct server {
    struct lasting *lasting;
    struct clients_books *books; /* in such memory, too */
    uint32_t records;            /* that the books have room for */
    struct options *options;     /* of `lasting` */
    struct loop loop;

    struct acceptor acceptor;
    struct queue queue;
    struct gates gates;
    struct starting starting;
    struct pool pool;
    struct running running;
    struct strays strays; /* found by rollcall.h */

    struct takeover *takeover; /* not owned; NULL without --takeover */

    struct server_busiest busiest;

    struct control control; /* all zero without --control */
    struct control metrics; /* all zero without --metrics */
    uid_t starter;          /* the user that started this process */
    int rules;              /* memory file with the access rules of the start; -1: none */

    struct loop_source link;       /* to the keeper: reports.h */
    bool introduced;               /* ROLL was sent */
    uint64_t acknowledged;         /* the last report that the keeper was told of */
    struct loop_timer acknowledge; /* when to tell it again */
    struct loop_timer retire;      /* when to ask it again to close its listeners: requests.h */
    struct loop_source signals;    /* heard only once the keeper is dead */
    pid_t keeper;                  /* the process that operators know */
    const struct files *files;     /* not owned; the keeper removes them */
    bool published;                /* the keeper has answered PUBLISH, with this errno or 0 */
    int publish_error;
    bool begun_all;     /* the keeper has started the dispatchers */
    bool hears_signals; /* they are acted on at once */
    bool alone;         /* the keeper is dead */

    uint64_t lines_dropped; /* by earlier supervisors */
    uint64_t strangers;     /* refused by earlier supervisors at the control socket */
    bool rolling;           /* rollcall.h */
    int distrusts; /* supervisors died of this signal as they entered the first stray; or 0 */
    bool renew;    /* the standby is dead: exit once nobody waits */
    struct loop_timer renewal; /* when to exit although connections are kept for handlers */
    struct server_standing told;
    struct reload reload;

    bool status_asked; /* by SIGUSR1 */
    bool log_asked;    /* the keeper was asked to open standard error again */
};

#endif
