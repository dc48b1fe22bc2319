/*
 * notify_environment.h - what the environment says of the service manager that started this
 * process: where it listens, and whether its watchdog is to be told something (sd_notify(3),
 * sd_watchdog_enabled(3)).
 */
#ifndef SUPERVISOR_KEEPER_NOTIFY_ENVIRONMENT_H
#define SUPERVISOR_KEEPER_NOTIFY_ENVIRONMENT_H

#include <stdint.h>

struct notify_environment {
    int descriptor;          /* a datagram socket, connected; the receiver's to close; -1: none */
    uint64_t watchdog_every; /* microseconds between two signs of life; 0: none is wanted */
};

/* Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment.  Returns 0, or -1
 * after logging a warning that one of them is wrong; what they are for is left out then. */
int notify_environment_take(struct notify_environment *environment);

#endif
