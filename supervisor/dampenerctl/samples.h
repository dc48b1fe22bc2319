/*
 * samples.h - the last minutes: what was counted each time somebody looked, and how fast it grew.
 *
 * Pure: times, in seconds, are the caller's.  Of more than SAMPLES_MAXIMUM only the last are kept.
 * A sample in which nothing was learned is a gap, and what is not known is NAN.
 */
#ifndef DAMPENERCTL_SAMPLES_H
#define DAMPENERCTL_SAMPLES_H

#include "supervisor/dampenerctl/status.h"

enum { SAMPLES_MAXIMUM = 512, SAMPLES_SPAN = 5 };

enum samples_figure { SAMPLES_QUEUED, SAMPLES_ACCEPTED, SAMPLES_STARTED, SAMPLES_SERVED };
enum { SAMPLES_FIGURES = SAMPLES_SERVED + 1 };

struct sample {
    double time;
    double process; /* another one counts from 0 */
    double figures[SAMPLES_FIGURES];
};

struct samples {
    struct sample list[SAMPLES_MAXIMUM]; /* a ring */
    size_t count;                        /* that were ever added */
};

/* `status` is NULL for a gap. */
void samples_add(struct samples *samples, double time, const struct status *status);

/* The figure `age` samples ago, 0 being the last one. */
double samples_figure(const struct samples *samples, enum samples_figure figure, size_t age);

/* How much the figure grew in a second, between that sample and the one before. */
double samples_rate(const struct samples *samples, enum samples_figure figure, size_t age);

/* The same over the last SAMPLES_SPAN samples, or as many as there are without a gap. */
double samples_recent_rate(const struct samples *samples, enum samples_figure figure);

#endif
