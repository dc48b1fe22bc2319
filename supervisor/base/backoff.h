/*
 * backoff.h - computes the delay before an action that failed is tried again.
 *
 * The delay doubles with each failure up to a limit, and ends with a success.  Nothing here makes a
 * system call.  Times are microseconds of the caller's clock.
 */
#ifndef SUPERVISOR_BASE_BACKOFF_H
#define SUPERVISOR_BASE_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

struct backoff {
    uint64_t first;   /* first delay */
    uint64_t longest; /* longest delay */
    uint64_t delay;   /* current delay; 0: the last attempt succeeded */
    uint64_t until;   /* time of the next attempt */
    bool attempted;   /* an attempt is under way */
};

/* Takes note of a failure, and doubles the delay.  During the delay, and with no attempt under way,
 * an older attempt must have failed: that changes nothing. */
void backoff_failed(struct backoff *backoff, uint64_t now);

/* Takes note of a success, and ends the delay. */
void backoff_succeeded(struct backoff *backoff);

/* Takes note of a new attempt; the next has to wait for the delay again. */
void backoff_attempted(struct backoff *backoff, uint64_t now);

/* Returns true if the last attempt with a known outcome failed. */
bool backoff_failing(const struct backoff *backoff);

/* Returns true if it is too early for a new attempt. */
bool backoff_holds(const struct backoff *backoff, uint64_t now);

#endif
