/*
 * backoff.h - how long to leave alone what has just failed: longer each time, up to a limit, and
 * not at all once it has succeeded.  Pure; times are microseconds of any one clock.
 */
#ifndef SUPERVISOR_BASE_BACKOFF_H
#define SUPERVISOR_BASE_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

struct backoff {
    uint64_t first;   /* the shortest delay */
    uint64_t longest; /* the longest */
    uint64_t delay;   /* the current one; 0: the last attempt succeeded */
    uint64_t until;   /* when to try again */
    bool attempted;   /* it was tried again, and the outcome is not known yet */
};

/* What was tried failed: doubles the delay.  Too early for a new attempt, and with none under way,
 * it is the failure of an attempt made before the last one, and changes nothing. */
void backoff_failed(struct backoff *backoff, uint64_t now);
void backoff_succeeded(struct backoff *backoff);

/* It is tried again: once, and not once more before the delay has passed again. */
void backoff_attempted(struct backoff *backoff, uint64_t now);

/* Whether the last attempt with a known outcome failed; whether it is too early to try again. */
bool backoff_failing(const struct backoff *backoff);
bool backoff_holds(const struct backoff *backoff, uint64_t now);

#endif
