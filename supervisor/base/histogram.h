/*
 * histogram.h - counts durations by length, and keeps the latest durations.
 *
 * The counts never fall, as Prometheus requires.  Each bucket counts durations up to its bound and
 * above the bound before.  The latest durations are kept one by one: quantiles show the present.
 * Durations are microseconds, unless it says otherwise.
 *
 * A histogram may outlive the process that adds to it.  Each duration is first noted, with the new
 * value of all that changes, and then stored.  If the process is killed in between, the next one
 * can store the same values again: each duration counts once and as a whole, or not at all.
 */
#ifndef SUPERVISOR_BASE_HISTOGRAM_H
#define SUPERVISOR_BASE_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_BOUNDS = 17, HISTOGRAM_RECENT = 512 };

/* In microseconds, rising: two for each power of ten, from a millisecond to a day. */
extern const uint64_t histogram_bounds[HISTOGRAM_BOUNDS];

struct histogram {
    uint64_t counts[HISTOGRAM_BOUNDS + 1]; /* the last bucket has no bound */
    uint64_t count;
    uint64_t sum;                      /* microseconds */
    uint64_t recent[HISTOGRAM_RECENT]; /* a ring; recent[count % HISTOGRAM_RECENT] is next */
    struct {
        uint64_t ticket; /* names the duration for the caller; 0: none is noted */
        uint64_t duration;
        uint64_t counted, count, sum; /* new values, the first one of counts[bucket] */
        uint32_t bucket;
    } latest; /* the duration that was noted last */
};

/* How long the latest durations were, in seconds, for output. */
struct histogram_quantiles {
    double of;  /* the number of durations; 0: the members below mean nothing */
    double p50; /* 50 of 100 durations are no longer than this */
    double p90, p99, longest;
};

/* Notes a duration under a ticket other than 0, in place of the one before.  The ticket is stored
 * after all else that comes before it in the program, and before all that comes after it. */
void histogram_note(struct histogram *histogram, uint64_t ticket, uint64_t duration);

/* Stores the duration that was noted last.  Doing it again changes nothing. */
void histogram_store(struct histogram *histogram);

/* Does both.  An empty histogram is all zero. */
void histogram_add(struct histogram *histogram, uint64_t ticket, uint64_t duration);

/* Computes the quantiles of the latest HISTOGRAM_RECENT durations, by nearest rank. */
struct histogram_quantiles histogram_quantiles(const struct histogram *histogram);

#endif
