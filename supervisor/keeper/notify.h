/*
 * notify.h - tells the service manager about the state of the service: one datagram per message, to
 * the socket that NOTIFY_SOCKET names (sd_notify(3)).
 *
 * Nothing here blocks.  While the manager's socket is full, changes of state are kept and sent
 * later, in order; a new status replaces the old one; WATCHDOG=1 is lost.  If no manager listens,
 * notify_tell() does nothing.
 */
#ifndef SUPERVISOR_KEEPER_NOTIFY_H
#define SUPERVISOR_KEEPER_NOTIFY_H

#include "supervisor/base/backoff.h"
#include "supervisor/base/loop.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* In the order of sending, if several are kept. */
enum notify_state {
    NOTIFY_READY,     /* READY=1: the service accepts clients */
    NOTIFY_RELOADING, /* RELOADING=1 */
    NOTIFY_RELOADED,  /* READY=1 again */
    NOTIFY_STOPPING,  /* STOPPING=1; only statuses and WATCHDOG=1 follow it */
    NOTIFY_SUCCESSOR, /* MAINPID=: another process is the service now; nothing follows it */
    NOTIFY_STATUS,    /* STATUS= alone */
    NOTIFY_WATCHDOG,  /* WATCHDOG=1 */
    NOTIFY_STATES
};

enum { NOTIFY_STATUS_MAXIMUM = 128 /* bytes, NUL included */ };

struct notify {
    struct loop *loop;
    int descriptor; /* connected; -1: no manager */
    unsigned owed;  /* states that are not sent yet: bit N is state N */
    uint64_t reloading_since;
    pid_t successor; /* 0: none */
    char status[NOTIFY_STATUS_MAXIMUM];
    uint64_t watchdog_every; /* interval of WATCHDOG=1; 0: the manager wants none */
    struct backoff full;     /* while the manager's socket is full */
    struct loop_timer retry;
    void (*unheard)(void *context); /* the manager gets no more messages */
    void *context;
};

/* Removes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID from the environment, because handlers must
 * not inherit them, and connects to the manager.  After a warning about a wrong value, the manager
 * gets no messages, or, with a wrong watchdog, all except WATCHDOG=1.  `unheard` is set later. */
void notify_open(struct notify *notify);

/* Adds the timer to the loop of this process. */
void notify_run(struct notify *notify, struct loop *loop);

/* Tells the manager nothing more. */
void notify_end(struct notify *notify);

bool notify_is_open(const struct notify *notify);

/* Sends a state, or keeps it until the manager's socket takes it, and drops the states that it
 * makes obsolete.  `process` is the successor's.  `text` becomes the status, a line for people,
 * which travels with the state; "": it stays as it is. */
void notify_tell(struct notify *notify, enum notify_state state, pid_t process, const char *text);

#endif
