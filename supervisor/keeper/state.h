/*
 * state.h - struct keeper: what the keeper knows.
 */
#ifndef SUPERVISOR_KEEPER_STATE_H
#define SUPERVISOR_KEEPER_STATE_H

#include "supervisor/base/backoff.h"
#include "supervisor/base/loop.h"
#include "supervisor/keeper/awaited.h"
#include "supervisor/keeper/files.h"
#include "supervisor/keeper/launch.h"
#include "supervisor/keeper/link.h"
#include "supervisor/keeper/notify.h"
#include "supervisor/keeper/outbox.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

enum { KEEPER_DISPATCHERS = 64 };

struct keeper_dispatcher {
    struct keeper *keeper;
    unsigned index;
    pid_t process; /* 0: none; `restart` is the time of the next start */
    uint32_t generation;
    int ledger; /* of this generation, for another pair; -1: none */
    uint64_t since;
    bool gave_way; /* was killed to make room for a handler */
    struct backoff backoff;
    struct loop_timer restart;
    struct loop_timer stopped; /* set while it is stopped: when to kill it */
};

/* A process that reads a file: reader.h. */
struct keeper_reader {
    pid_t process; /* a child; 0: none */
    int memory;    /* the file that it writes the content to; only with `process` */
};

/* What the keeper asks of server/. */
struct keeper_events {
    /* Becomes the standby, in a new process; `link` is the supervisor's end. */
    __attribute__((noreturn)) void (*stand_by)(void *context, int link);
    /* Gives up the memory of the pair, in a process that needs it no more. */
    void (*leave_pair)(void *context);
    /* Closes the keeper's copies of listeners. */
    void (*retire)(void *context);
    void *context;
};

/* How standard error is opened again: reopen.h. */
struct reopen {
    struct sockaddr_un address; /* of the socket that it led to at the start */
    socklen_t length;          /* of the address; 0: it led elsewhere, and cannot be opened again */
    bool journal;              /* the address is the journal's */
    struct backoff backoff;    /* grows with each attempt */
    struct loop_timer attempt; /* the next one; not set: none is wanted */
    uint64_t attempted;        /* the last one */
    uint64_t opened;
    struct loop_timer replace; /* when to replace the next dispatcher that began before that */
};

struct keeper {
    const struct options *options;
    const struct identity *readers_identity; /* what a reader becomes; NULL: it stays the same */
    struct keeper_events events;
    const bool *begun; /* the service; in memory that the pair shares */
    const bool *ended;
    const uint32_t *useless; /* supervisors in a row: standby.h */
    int32_t *cloned;         /* the standby's last child: the supervisor; 0: none yet */
    struct launch launch;
    struct files files;
    struct notify notify;
    struct reopen reopen;

    struct loop loop;
    struct loop_source link; /* our end of the link */
    int far_end;             /* the supervisor's, for another pair */
    struct loop_source signals;
    pid_t pair;        /* our child: the standby, or the supervisor that has lost it; 0: reaped */
    bool lost_standby; /* `pair` is the supervisor */
    int status;        /* of the last of the two, as of wait(2) */
    bool interrupted;  /* SIGINT came */
    bool told_to_end;  /* SIGTERM or SIGINT came */
    bool gives_up;     /* no other pair begins */
    bool renew;        /* report RENEW when there is room; each names another supervisor */
    struct loop_timer begin; /* another pair; set while both are dead, unless the service ends */
    uint64_t pair_began;
    struct backoff pairs; /* grows with each pair that could not begin, or died at once */
    bool is_other_pair;   /* than the first; unlike `begun`, no supervisor can change this */

    unsigned count;  /* of dispatchers */
    bool begun_all;  /* BEGUN_ALL was reported */
    bool interrupts; /* clients may have sent descriptors along: interrupter.h */
    struct keeper_dispatcher dispatchers[KEEPER_DISPATCHERS];

    struct outbox outbox;
    struct loop_timer again; /* when to do what a full outbox has held up */

    struct awaited groups; /* that GROUP named, and that are not empty */
    size_t group_next;     /* to be looked at, modulo the number of groups */
    size_t groups_unseen;  /* since a child was reaped last */
    /* Children that ADOPT named before they led a session.  One that dies without having led a
     * session has not become a handler, and counts for nothing; but its end is reported. */
    struct awaited adopted;
    struct keeper_reader readers[OPTIONS_FILES];
    struct loop_timer reading; /* when to kill them */
};

#endif
