/*
 * watchdog.h - the service manager's watchdog is told that the service lives, as often as it asked
 * for (sd_watchdog_enabled(3)): by the loop, so the supervisor lives; and only if a dispatcher has
 * answered since it was asked the last time, so that clients can be served.
 *
 * A dispatcher that owes an answer is not asked for another.  What becomes of one that does not
 * answer is not decided here: it is what patience.h is for.
 */
#ifndef SUPERVISOR_KEEPER_WATCHDOG_H
#define SUPERVISOR_KEEPER_WATCHDOG_H

#include "supervisor/base/loop.h"
#include "supervisor/keeper/notify.h"
#include "supervisor/pool/pool.h"

#include <stdbool.h>

struct watchdog {
    struct loop *loop;
    struct notify *notify;
    struct pool *pool;
    struct loop_timer timer; /* not set if nobody wants to be told */
    bool asked;              /* dispatchers were, once at least */
    bool silent;             /* none had answered the last time, which the log knows */
};

/* Begins; the loop must be that of the pool, and all of them must stay. */
void watchdog_begin(struct watchdog *watchdog, struct loop *loop, struct notify *notify,
                    struct pool *pool);

#endif
