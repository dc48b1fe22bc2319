/*
 * limiter.h - keeps lines of one kind from flooding the log: a few per period are written, the
 * others counted.  Pure; times are microseconds of any one clock.
 */
#ifndef SUPERVISOR_BASE_LIMITER_H
#define SUPERVISOR_BASE_LIMITER_H

#include <stdbool.h>
#include <stdint.h>

enum { LIMITER_LINES = 5, LIMITER_PERIOD = 10000000 };

struct limiter {
    uint64_t until; /* the end of the period; 0: none has begun */
    uint32_t lines; /* written in it */
    uint64_t left_out;
};

/* Whether a line may be written.  The first one begins a period, after that of the last has been
 * ended by limiter_end(). */
bool limiter_allows(struct limiter *limiter, uint64_t now);

/* Ends the period if it is over, or at any time with `at_once`: returns how many lines were left
 * out, of which nobody knows yet. */
uint64_t limiter_end(struct limiter *limiter, uint64_t now, bool at_once);

#endif
