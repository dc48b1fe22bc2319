/*
 * statistics.h - what has happened so far, but for the ends of clients, which clients.h counts.
 * Pure; durations are microseconds.
 */
#ifndef SUPERVISOR_FIGURES_STATISTICS_H
#define SUPERVISOR_FIGURES_STATISTICS_H

#include "supervisor/base/histogram.h"

#include <stdint.h>

/* How handlers ended. */
enum statistics_exit {
    STATISTICS_SUCCESS, /* status 0 */
    STATISTICS_FAILURE, /* another one */
    STATISTICS_SIGNAL,  /* killed by a signal */
    STATISTICS_UNKNOWN, /* their dispatcher died, and nobody else learnt it */
    STATISTICS_EXITS
};

struct statistics {
    struct histogram waits; /* from accept until the handler ran */
    struct histogram runs;  /* from then until it ended */
    uint64_t exits[STATISTICS_EXITS];
    uint64_t starts_failed;
};

/* A handler has begun, after such a wait. */
void statistics_started(struct statistics *statistics, uint64_t waited);

/* It has ended; `status` is as wait(2) gives it, or NULL if it is not known. */
void statistics_ended(struct statistics *statistics, uint64_t ran, const int *status);

/* A word for each, for names of metrics. */
const char *statistics_exit_name(enum statistics_exit exit);

#endif
