/*
 * rate.h - a token bucket: at most `count` starts per period, and up to `count` at once after a
 * pause.
 *
 * Whole numbers only, so that rounding loses nothing: the level counts tokens times the period.
 * Pure; times are microseconds of one clock.
 */
#ifndef SUPERVISOR_ADMISSION_RATE_H
#define SUPERVISOR_ADMISSION_RATE_H

#include "supervisor/base/unlimited.h"

#include <stdint.h>

/* Zeroed it has no limit: there are always tokens, and taking one changes nothing. */
struct rate {
    uint32_t count;  /* tokens that come in a period; the bucket holds as many */
    uint64_t period; /* microseconds, 1 at least; count * period fits into 64 bits */
    uint64_t level;
    uint64_t filled_at;
};

/* Sets how much the bucket holds, and how fast it fills; UNLIMITED as the count lifts the limit.  A
 * bucket keeps as many tokens as it can hold, and the part of the next token: setting the same rate
 * again changes nothing.  Without a limit before, it is full. */
void rate_set(struct rate *rate, uint32_t count, uint64_t period, uint64_t now);

/* Returns how many tokens there are, or UNLIMITED. */
uint32_t rate_tokens(struct rate *rate, uint64_t now);

/* Takes a token, of at least one. */
void rate_take(struct rate *rate);

/* Gives a token back that was not used. */
void rate_return(struct rate *rate);

/* Returns when the next token comes; there must be a limit. */
uint64_t rate_next(struct rate *rate, uint64_t now);

#endif
