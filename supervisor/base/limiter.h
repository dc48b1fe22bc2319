/*
 * limiter.h - keeps lines of one kind from flooding the log: allows a few per period and counts the
 * others.  Pure; times are microseconds of any clock.
 */
#ifndef SUPERVISOR_BASE_LIMITER_H
#define SUPERVISOR_BASE_LIMITER_H

#include <stdbool.h>
#include <stdint.h>

enum { LIMITER_LINES = 5, LIMITER_PERIOD = 10000000 };

struct limiter {
    uint64_t until;    /* end of the period; 0: no period has begun */
    uint32_t lines;    /* written in the period */
    uint64_t left_out; /* not written in the period */
};

/* Returns true if a line may be written, and counts the line.  The first line begins a period,
 * which lasts until limiter_end(). */
bool limiter_allows(struct limiter *limiter, uint64_t now);

/* Ends the period if its time is over, or at once.  Returns the number of lines left out, for the
 * log; 0 if the period goes on. */
uint64_t limiter_end(struct limiter *limiter, uint64_t now, bool at_once);

#endif
