/*
 * histogram.h - how many durations were of which length, and how long the latest ones were.
 *
 * The counts are for ever, as Prometheus wants them: each bucket counts what is no longer than its
 * bound and longer than the one before.  The latest durations are kept one by one, for quantiles
 * of how things are now.  Pure; durations are microseconds.
 */
#ifndef SUPERVISOR_BASE_HISTOGRAM_H
#define SUPERVISOR_BASE_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_BOUNDS = 17, HISTOGRAM_RECENT = 512 };

/* In microseconds, rising. */
extern const uint64_t histogram_bounds[HISTOGRAM_BOUNDS];

struct histogram {
    uint64_t counts[HISTOGRAM_BOUNDS + 1]; /* the last is for what is longer than all bounds */
    uint64_t count;
    uint64_t sum;                      /* microseconds */
    uint64_t recent[HISTOGRAM_RECENT]; /* a ring: the next one overwrites recent[count % ...] */
};

struct histogram_quantiles {
    uint32_t of; /* so many; 0: the others mean nothing */
    uint64_t median;
    uint64_t ninety;      /* 90 of 100 are no longer */
    uint64_t ninety_nine; /* likewise */
    uint64_t longest;
};

/* Nothing yet is all zero. */
void histogram_add(struct histogram *histogram, uint64_t duration);

/* Of the latest HISTOGRAM_RECENT, by nearest rank. */
struct histogram_quantiles histogram_quantiles(const struct histogram *histogram);

#endif
