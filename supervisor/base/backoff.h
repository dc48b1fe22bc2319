/*
 * backoff.h - when an action that failed is tried again.
 *
 * While the daemon serves, the delay doubles with each failure up to a limit, and ends with a
 * success.  struct backoff only computes.  Times are microseconds of the caller's clock.
 *
 * A start that finds a port, a Unix socket or a pid file in use tries again for a while.  After
 * SIGKILL the kernel closes the descriptors of a daemon one by one, and its listening sockets last:
 * with thousands of clients, that takes about a second.  An operator may type kill and start the
 * next daemon within that second.
 */
#ifndef SUPERVISOR_BASE_BACKOFF_H
#define SUPERVISOR_BASE_BACKOFF_H

#include "supervisor/base/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct backoff {
    uint64_t first;   /* first delay */
    uint64_t longest; /* longest delay */
    uint64_t delay;   /* current delay; 0: the last attempt succeeded */
    uint64_t until;   /* time of the next attempt */
    bool attempted;   /* an attempt is under way */
};

/* What suits most actions: often enough to notice soon that the trouble is over, and rarely enough
 * to cost nothing. */
#define BACKOFF                                                                                    \
    {                                                                                              \
        .first = UINT64_C(100) * LOOP_MILLISECOND, .longest = UINT64_C(5) * LOOP_SECOND            \
    }

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

/* Returns when a new attempt may be made, `now` at the earliest. */
uint64_t backoff_next(const struct backoff *backoff, uint64_t now);

/* Sleeps for 50 ms and returns true, or returns false once 2 s have passed since the first call.
 * The first call logs that what `format` names is in use.  `*until` is 0 at first, and then the end
 * of the attempts on loop_clock().  Keeps errno.  Only the start may call this, because it blocks.
 */
bool backoff_pause(uint64_t *until, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
