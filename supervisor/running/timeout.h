/*
 * timeout.h - finds the handlers that have run for too long.
 *
 * All handlers are allowed the same time, so the next one is the first of two lists: handlers in
 * order of start, and handlers, or what they have left, in order of SIGTERM.  Each operation takes
 * constant time, except that a start that is reported late passes the starts after it.
 */
#ifndef SUPERVISOR_RUNNING_TIMEOUT_H
#define SUPERVISOR_RUNNING_TIMEOUT_H

#include "supervisor/queue/clients.h"

#include <stdint.h>

enum timeout_phase {
    TIMEOUT_NONE,
    TIMEOUT_RUNNING,
    TIMEOUT_TERMINATED, /* was sent SIGTERM, at client.terminated */
    TIMEOUT_PHASES
};

struct timeouts {
    uint64_t timeout;    /* microseconds until SIGTERM; 0: never */
    uint64_t kill_after; /* microseconds from SIGTERM to SIGKILL */
    struct list queues[TIMEOUT_PHASES];
};

void timeouts_open(struct timeouts *timeouts, uint64_t timeout, uint64_t kill_after);

/* Takes over a client whose handler an earlier supervisor started. */
void timeouts_recall(struct timeouts *timeouts, struct client *client);

/* Takes note that the client's handler runs; or that it has ended. */
void timeouts_begin(struct timeouts *timeouts, struct client *client);
void timeouts_end(struct timeouts *timeouts, struct client *client);

/* Begins to end a client's handler, or what it has left: SIGTERM is due now, and SIGKILL after
 * `kill_after`. */
void timeouts_terminate(struct timeouts *timeouts, struct client *client, uint64_t now);

/* Returns a client whose time is over, with its signal set, once for each signal; or NULL. */
struct client *timeouts_next(struct timeouts *timeouts, uint64_t now);

/* Returns when the next time is over; 0: never. */
uint64_t timeouts_deadline(const struct timeouts *timeouts);

#endif
