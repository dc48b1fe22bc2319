/*
 * keeper.h - the privileged process, which the operator starts: it starts dispatchers and the
 * supervisor, watches them, and cleans up when all is over.
 *
 * The keeper is the parent of these processes, and of whatever handlers leave behind (prctl(2),
 * PR_SET_CHILD_SUBREAPER).  It does for the supervisor what that may not do itself; link.h has the
 * requests, and a table in keeper.c carries them out.  It touches no connection and reads nothing
 * that a client sent.
 *
 * As root it keeps only the capabilities that this requires.  It cannot be traced.
 */
#ifndef SUPERVISOR_KEEPER_KEEPER_H
#define SUPERVISOR_KEEPER_KEEPER_H

#include "supervisor/base/backoff.h"
#include "supervisor/base/loop.h"
#include "supervisor/keeper/files.h"
#include "supervisor/keeper/launch.h"
#include "supervisor/keeper/link.h"
#include "supervisor/keeper/notify.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { KEEPER_DISPATCHERS = 64 };

struct keeper_dispatcher {
    struct keeper *keeper;
    unsigned index;
    pid_t process; /* 0: none; `restart` is the time of the next start */
    uint32_t generation;
    uint64_t since;
    bool gave_way; /* was killed to make room for a handler */
    struct backoff backoff;
    struct loop_timer restart;
    struct loop_timer stopped; /* set while it is stopped: when to kill it */
};

struct keeper {
    const struct options *options;
    struct launch launch;
    struct files files;
    struct notify notify;

    struct loop loop;
    struct loop_source link; /* our end of the link */
    bool closed;             /* the supervisor has closed its end, or is dead */
    struct loop_source signals;
    pid_t supervisor; /* 0: it was reaped */
    int status;       /* of the supervisor, as of wait(2) */
    bool interrupted; /* SIGINT came */

    unsigned count; /* of dispatchers */
    struct keeper_dispatcher dispatchers[KEEPER_DISPATCHERS];

    /* A report that the link did not take yet.  Until it does, nothing else is done. */
    struct link_message pending;
    int pending_descriptors[LINK_DESCRIPTORS];
    unsigned pending_count;
    struct loop_timer again; /* set while there is one; also to go on reaping */

    pid_t *groups; /* that GROUP named, and that are not empty */
    size_t group_count;
    size_t group_room;
    pid_t readers[OPTIONS_FILES]; /* children that read a file; 0: none */
    struct loop_timer reading;    /* when to kill them */
    bool unheard;                 /* UNHEARD is still to be reported */
};

/* Forks the supervisor, and starts the dispatchers, one at least.  Returns the supervisor's end of
 * the link in the supervisor and 0 in the keeper, or -1 after logging why.  All other members of
 * `keeper` are filled in already; signals are blocked. */
int keeper_fork(struct keeper *keeper, unsigned dispatchers);

/* Keeps the service until the supervisor has ended, then ends everything else.  Returns the exit
 * status, or dies of the signal that the supervisor died of. */
int keeper_run(struct keeper *keeper);

/* Ends everything that keeper_fork() started, if the start failed, and removes all files. */
int keeper_end(struct keeper *keeper);

#endif
