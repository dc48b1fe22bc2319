/*
 * admission.h - how many waiting clients may be given a handler now, and why not more.
 *
 * A pure function of numbers: it reads no clock, no file and no state.
 */
#ifndef SUPERVISOR_ADMISSION_ADMISSION_H
#define SUPERVISOR_ADMISSION_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

enum { ADMISSION_UNLIMITED = UINT32_MAX };

/* Gates: the load average, and the pressures of Linux (Documentation/accounting/psi.rst). */
enum admission_gate {
    ADMISSION_GATE_LOAD,
    ADMISSION_GATE_CPU,
    ADMISSION_GATE_MEMORY,
    ADMISSION_GATE_IO,
    ADMISSION_GATES
};

struct admission_facts {
    uint32_t queued;      /* clients waiting */
    uint32_t startable;   /* of these, so many may start as far as their sources are concerned */
    uint32_t active;      /* handlers running, or about to */
    uint32_t processes;   /* at most so many active */
    uint32_t opening;     /* likewise, while gates open gradually */
    uint32_t tokens;      /* so many starts are left of the rate */
    uint32_t dispatchers; /* starts that the dispatchers can take now */
    bool closed[ADMISSION_GATES]; /* the figure is at or above the operator's limit */
    bool starts_failed;           /* the last start failed: see whether the next one succeeds */
    bool starts_held;             /* and it is too early to try again */
    bool ending;                  /* the service ends: nobody is started any more */
    bool paused;                  /* the operator has nobody started for now */
};

/* What holds the next client back.  In the order in which they are looked at: the first is told. */
enum admission_reason {
    ADMISSION_NONE, /* nothing: nobody is left waiting */
    ADMISSION_ENDING,
    ADMISSION_PAUSED,
    ADMISSION_PROCESSES,
    ADMISSION_SOURCE,
    ADMISSION_FAILURE,
    ADMISSION_LOAD, /* and the other gates, in the order of enum admission_gate */
    ADMISSION_CPU,
    ADMISSION_MEMORY,
    ADMISSION_IO,
    ADMISSION_OPENING,
    ADMISSION_RATE,
    ADMISSION_DISPATCHERS,
    ADMISSION_REASONS /* one more than the last */
};

struct admission {
    uint32_t permitted;           /* so many may start */
    uint32_t start;               /* so many of them now: dispatchers have room for no more */
    enum admission_reason reason; /* why not one more */
};

struct admission admission_decide(const struct admission_facts *facts);

/* A word for a reason, for logs. */
const char *admission_reason_name(enum admission_reason reason);

#endif
