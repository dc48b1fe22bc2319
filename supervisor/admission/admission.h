/*
 * admission.h - how many waiting clients get a handler now, and the first reason why not more.
 *
 * A pure function of numbers: it reads no clock, no file and no state.
 */
#ifndef SUPERVISOR_ADMISSION_ADMISSION_H
#define SUPERVISOR_ADMISSION_ADMISSION_H

#include "supervisor/base/unlimited.h"
#include "supervisor/options/options.h"

#include <stdbool.h>
#include <stdint.h>

struct admission_facts {
    uint32_t queued;            /* waiting clients */
    uint32_t aside;             /* the part of `queued` that must not be tried now */
    uint32_t startable;         /* waiting clients whose sources are not at their limit */
    uint32_t active;            /* handlers that run or are being started */
    uint32_t processes;         /* most active handlers, or UNLIMITED */
    uint32_t opening;           /* most active handlers while gates open gradually, or UNLIMITED */
    uint32_t tokens;            /* starts that the rate still allows now, or UNLIMITED */
    uint32_t dispatchers;       /* starts that the dispatchers can take now */
    bool closed[OPTIONS_GATES]; /* the figure is at or above the operator's limit */
    bool starts_failed;         /* the last start failed: try a single one */
    bool starts_held;           /* the last start failed, and it is too early to try again */
    bool ending;                /* the service ends: no handler starts any more */
    bool paused;                /* the operator has paused the service */
    bool handing_over;          /* another process is about to get the clients */
};

/* What holds the next client back, in the order of the checks: the first reason counts. */
enum admission_reason {
    ADMISSION_NONE, /* nothing: no client is left waiting */
    ADMISSION_ENDING,
    ADMISSION_PAUSED,
    ADMISSION_TAKEOVER,
    ADMISSION_PROCESSES,
    ADMISSION_SOURCE,
    ADMISSION_FAILURE,
    ADMISSION_LOAD, /* and the other gates, in the order of enum options_gate_kind */
    ADMISSION_CPU,
    ADMISSION_MEMORY,
    ADMISSION_IO,
    ADMISSION_OPENING,
    ADMISSION_RATE,
    ADMISSION_DISPATCHERS,
    ADMISSION_REASONS /* one more than the last */
};

struct admission {
    uint32_t permitted;           /* clients that may start, whether dispatchers have room or not */
    uint32_t start;               /* clients to start now */
    enum admission_reason reason; /* what holds the next client back */
};

struct admission admission_decide(const struct admission_facts *facts);

#endif
