/*
 * samples.h - the last minutes: each answer's counts, and how fast they grew.
 *
 * Pure: times, in seconds, are the caller's.  Only the last SAMPLES_MAXIMUM samples are kept.  A
 * sample without an answer is a gap: its figures are NAN, which means unknown.
 */
#ifndef DAMPENERCTL_SAMPLES_H
#define DAMPENERCTL_SAMPLES_H

#include "supervisor/dampenerctl/answer.h"

enum { SAMPLES_MAXIMUM = 512, SAMPLES_SPAN = 5 };

enum samples_figure {
    SAMPLES_QUEUED,
    SAMPLES_ACCEPTED,
    SAMPLES_STARTED,
    SAMPLES_SERVED,
    SAMPLES_REFUSED,
    SAMPLES_FIGURES
};

struct sample {
    double time;
    double process; /* a new process counts from 0 again */
    double figures[SAMPLES_FIGURES];
};

struct samples {
    struct sample list[SAMPLES_MAXIMUM]; /* a ring */
    size_t count;                        /* of all samples ever added */
};

/* Adds a sample; `answer` is NULL for a gap. */
void samples_add(struct samples *samples, double time, const char *answer);

/* The figure `age` samples ago; the last sample has age 0. */
double samples_figure(const struct samples *samples, enum samples_figure figure, size_t age);

/* How much the figure grew in a second, between that sample and the one before. */
double samples_rate(const struct samples *samples, enum samples_figure figure, size_t age);

/* How much the figure grew in a second over the last SAMPLES_SPAN samples, or since the last gap.
 */
double samples_recent_rate(const struct samples *samples, enum samples_figure figure);

#endif
