/*
 * notify.h - what a service manager is told: one datagram a message, to the socket that
 * NOTIFY_SOCKET names (sd_notify(3)).
 *
 * The socket is connected while that is permitted; afterwards nothing is done but send(2).  That
 * never blocks.  What changes the state of the service and finds no room there (the manager reads
 * nothing) is sent again later, in order; a status is replaced by the next one; WATCHDOG=1 is lost.
 * Where no manager listens, or none does any more, all of this does nothing.
 *
 * A timer is set only while something is untold.  Times are microseconds of CLOCK_MONOTONIC.
 */
#ifndef SUPERVISOR_KEEPER_NOTIFY_H
#define SUPERVISOR_KEEPER_NOTIFY_H

#include "supervisor/base/loop.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    NOTIFY_STATUS_MAXIMUM = 128,      /* the end of the string included */
    NOTIFY_STATUS_EVERY = LOOP_SECOND /* one status at most in so long */
};

struct notify {
    struct loop *loop;
    int descriptor; /* connected; -1: nobody is told anything */
    unsigned owed;  /* what the manager must know, and does not yet; bits, in order */
    bool serving;   /* nothing is told before */
    bool stopping;
    uint64_t reloading_since;
    pid_t successor;
    char status[NOTIFY_STATUS_MAXIMUM];
    bool status_owed;
    uint64_t status_at;      /* the next one, not before then */
    uint64_t watchdog_every; /* how often WATCHDOG=1 is to come; 0: it is not wanted */
    uint64_t retry_delay;
    uint64_t retry_at; /* 0: nothing was refused */
    bool status_held;  /* somebody was told that it is too early for a status */
    struct loop_timer timer;
};

/* Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment, and connects, if
 * there are any.  Returns 0, or -1 after logging a warning: then nobody is told anything, or, with
 * a wrong period of the watchdog, all but that.  `loop` and `notify` must stay where they are. */
int notify_open(struct notify *notify, struct loop *loop);

bool notify_is_open(const struct notify *notify);

/* READY=1: clients are served from now on. */
void notify_ready(struct notify *notify);

/* RELOADING=1, and READY=1 once that is over.  Begun again before it is over, it is over once. */
void notify_reloading(struct notify *notify);
void notify_reloaded(struct notify *notify);

/* STOPPING=1, once; nothing but the status and the watchdog is told behind it. */
void notify_stopping(struct notify *notify);

/* MAINPID=: another process is the service from now on.  Nothing is told any more behind it. */
void notify_successor(struct notify *notify, pid_t process);

/* Whether it is time for another status; if not, the loop wakes up when it is. */
bool notify_takes_status(struct notify *notify);

/* STATUS=, a line for people.  The first one comes with READY=1, and others with what else is told.
 */
void notify_status(struct notify *notify, const char *text);

/* How often WATCHDOG=1 is to be sent, so that one may get lost; 0: not at all. */
uint64_t notify_watchdog_every(const struct notify *notify);
void notify_watchdog(struct notify *notify);

#endif
