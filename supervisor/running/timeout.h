/*
 * timeout.h - how long handlers have been running, and which of them have done so for too long.
 *
 * All have the same time, so two lists in order of start tell who is next: those that run, and
 * those that have been told to end.  Constant time for each, but for a start that is told late: it
 * passes those that came after it.
 */
#ifndef SUPERVISOR_RUNNING_TIMEOUT_H
#define SUPERVISOR_RUNNING_TIMEOUT_H

#include "supervisor/queue/clients.h"

#include <stdint.h>

enum timeout_phase {
    TIMEOUT_NONE,
    TIMEOUT_RUNNING,
    TIMEOUT_TERMINATED, /* it has been sent SIGTERM; client.accepted is when that was */
    TIMEOUT_PHASES
};

struct timeouts {
    uint64_t timeout;    /* microseconds; 0: no handler is ever told to end */
    uint64_t kill_after; /* likewise, from SIGTERM to SIGKILL */
    struct list queues[TIMEOUT_PHASES];
};

void timeouts_open(struct timeouts *timeouts, uint64_t timeout, uint64_t kill_after);

/* Its handler has begun, or it is over with it. */
void timeouts_begin(struct timeouts *timeouts, struct client *client);
void timeouts_end(struct timeouts *timeouts, struct client *client);

/* One whose time is over; NULL if there is none.  Its signal is set to what it is to get now, and
 * this is not said of it again. */
struct client *timeouts_next(struct timeouts *timeouts, uint64_t now);

/* When the next time will be over; 0: never, as things stand. */
uint64_t timeouts_deadline(const struct timeouts *timeouts);

#endif
