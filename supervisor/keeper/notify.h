/*
 * notify.h - tells the service manager about the state of the service: one datagram per message, to
 * the socket that NOTIFY_SOCKET names (sd_notify(3)).
 *
 * notify_open() connects the socket.  All other functions only call send(2), without blocking.
 * While the manager's socket is full, changes of state are kept and sent later, in order; a new
 * status replaces the old one; WATCHDOG=1 is lost.  If no manager listens, all functions do
 * nothing.
 *
 * A timer is set only while a message is pending.  Times are microseconds of CLOCK_MONOTONIC.
 */
#ifndef SUPERVISOR_KEEPER_NOTIFY_H
#define SUPERVISOR_KEEPER_NOTIFY_H

#include "supervisor/base/backoff.h"
#include "supervisor/base/loop.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    NOTIFY_STATUS_MAXIMUM = 128,      /* bytes, NUL included */
    NOTIFY_STATUS_EVERY = LOOP_SECOND /* time between two statuses at least */
};

struct notify {
    struct loop *loop;
    int descriptor; /* connected; -1: no manager */
    unsigned owed;  /* messages that are not yet sent; bits, in order */
    bool serving;   /* READY=1 is due or sent: a status may be sent */
    bool stopping;
    uint64_t reloading_since;
    pid_t successor;
    char status[NOTIFY_STATUS_MAXIMUM];
    uint64_t status_at;      /* earliest time of the next status */
    uint64_t watchdog_every; /* interval of WATCHDOG=1; 0: the manager wants none, or is gone */
    struct backoff full;     /* while the manager's socket is full */
    struct loop_timer retry;
    struct loop_timer status_due; /* begins a round when a held status may be sent */
};

/* Removes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID from the environment, because handlers must
 * not inherit them, and connects to the manager.  After a warning about a wrong value, the manager
 * gets no messages, or, with a wrong watchdog, all except WATCHDOG=1.  `loop` and `notify` must
 * stay in place. */
void notify_open(struct notify *notify, struct loop *loop);

bool notify_is_open(const struct notify *notify);

/* READY=1: the service accepts clients. */
void notify_ready(struct notify *notify);

/* RELOADING=1, and READY=1 at its end.  A second RELOADING=1 before the end replaces the first. */
void notify_reloading(struct notify *notify);
void notify_reloaded(struct notify *notify);

/* STOPPING=1, once.  Only statuses and WATCHDOG=1 follow it. */
void notify_stopping(struct notify *notify);

/* MAINPID=: another process is the service now.  Nothing follows it. */
void notify_successor(struct notify *notify, pid_t process);

/* Returns true if a status may be sent now.  Otherwise the loop wakes up when it may. */
bool notify_takes_status(struct notify *notify);

/* STATUS=, a line for people.  Waits for READY=1, and travels with a pending change of state. */
void notify_status(struct notify *notify, const char *text);

/* WATCHDOG=1: to be called every `watchdog_every`, half the manager's patience. */
void notify_watchdog(struct notify *notify);

#endif
