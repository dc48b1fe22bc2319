/*
 * statistics.h - counts starts and ends of handlers.  Pure; durations are microseconds.
 */
#ifndef SUPERVISOR_FIGURES_STATISTICS_H
#define SUPERVISOR_FIGURES_STATISTICS_H

#include "supervisor/base/histogram.h"

#include <stdint.h>

/* How handlers ended. */
enum statistics_exit {
    STATISTICS_SUCCESS, /* status 0 */
    STATISTICS_FAILURE, /* another status */
    STATISTICS_SIGNAL,  /* killed by a signal */
    STATISTICS_UNKNOWN, /* the dispatcher died before it reported the end */
    STATISTICS_EXITS
};

struct statistics {
    struct histogram waits; /* from accept to the start of the handler */
    struct histogram runs;  /* from start to end of the handler */
    uint64_t exits[STATISTICS_EXITS];
    uint64_t starts_failed;
};

/* Counts a handler that started after a wait. */
void statistics_started(struct statistics *statistics, uint64_t waited);

/* Counts a handler that ended; `status` is that of wait(2), or NULL if unknown. */
void statistics_ended(struct statistics *statistics, uint64_t ran, const int *status);

#endif
