/*
 * watchdog.h - tells the service manager's watchdog that the service lives, as often as the manager
 * asked for (sd_watchdog_enabled(3)).
 *
 * The loop tells it, so the supervisor lives.  It tells it only if the service has answered since
 * the last time, so clients can be served.
 */
#ifndef SUPERVISOR_KEEPER_WATCHDOG_H
#define SUPERVISOR_KEEPER_WATCHDOG_H

#include "supervisor/base/loop.h"
#include "supervisor/keeper/notify.h"

#include <stdbool.h>

/* What the watchdog asks. */
struct watchdog_service {
    void (*ask)(void *context);          /* asks for an answer, without waiting */
    bool (*has_answered)(void *context); /* returns true if one has come since the last call */
    void *context;
};

struct watchdog {
    struct loop *loop;
    struct notify *notify;
    struct watchdog_service service;
    struct loop_timer timer; /* not set if the manager has no watchdog */
    bool asked;              /* the service was asked at least once */
    bool silent;             /* the log says that no answer came */
};

/* Begins.  `loop` and `notify` must stay; `service` is copied. */
void watchdog_begin(struct watchdog *watchdog, struct loop *loop, struct notify *notify,
                    const struct watchdog_service *service);

#endif
