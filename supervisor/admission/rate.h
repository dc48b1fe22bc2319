/*
 * rate.h - a token bucket: at most so many per period, and as many at once after a pause.
 *
 * Whole numbers only, so that nothing is lost by rounding: the level counts tokens times the
 * period.  Pure; times are microseconds of any one clock.
 */
#ifndef SUPERVISOR_ADMISSION_RATE_H
#define SUPERVISOR_ADMISSION_RATE_H

#include <stdint.h>

/* Together they fit into 64 bits. */
enum { RATE_COUNT_MAXIMUM = 1000000 };
#define RATE_PERIOD_MAXIMUM UINT64_C(86400000000) /* a day */

struct rate {
    uint32_t count;  /* tokens that come in a period, and that the bucket holds */
    uint64_t period; /* microseconds, 1 at least */
    uint64_t level;
    uint64_t filled_at;
};

/* A full bucket. */
void rate_open(struct rate *rate, uint32_t count, uint64_t period, uint64_t now);

/* Changes what the bucket holds, and how fast it fills.  The tokens in it stay, as far as it holds
 * them, and so does the part of the next one: to set the same again and again changes nothing. */
void rate_change(struct rate *rate, uint32_t count, uint64_t period, uint64_t now);

/* How many tokens there are. */
uint32_t rate_tokens(struct rate *rate, uint64_t now);

/* Takes a token; there must be one. */
void rate_take(struct rate *rate);

/* Gives one back that was not used. */
void rate_return(struct rate *rate);

/* When there will be one more than there are. */
uint64_t rate_next(struct rate *rate, uint64_t now);

#endif
