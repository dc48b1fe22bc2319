/*
 * gates.h - what the state of the machine, and the rate, have to say to admission.
 *
 * The gates, load average and pressures, are looked at only while somebody waits.  They close for
 * all handlers but one, open gradually (ramp.h), and never close for good: their figures fall when
 * nothing is started.  The rate is no gate: it holds back whoever comes too early, the first
 * handler too, as otherwise handlers that end quickly would not be held back at all; time lets all
 * of them in.
 */
#ifndef SUPERVISOR_ADMISSION_GATES_H
#define SUPERVISOR_ADMISSION_GATES_H

#include "supervisor/admission/admission.h"
#include "supervisor/admission/gauge.h"
#include "supervisor/admission/ramp.h"
#include "supervisor/admission/rate.h"
#include "supervisor/options/options.h"

struct gate {
    struct gauge gauge;
    bool closed;
};

struct gates {
    const struct options *options;
    struct gate list[ADMISSION_GATES];
    struct ramp ramp;
    struct rate rate;
};

/* Opens what the options ask for; they must stay.  Returns 0, or -1 after logging what is missing.
 * Times are those of loop.h. */
int gates_open(struct gates *gates, const struct options *options, uint64_t now);

/* Whether the load average can be looked at, should it be limited later. */
bool gates_has_load(const struct gates *gates);

/* The limit on the load average has changed, or is lifted: without gates nothing opens gradually.
 */
void gates_set_load(struct gates *gates);

/* The rate of the options has changed. */
void gates_set_rate(struct gates *gates, uint64_t now);

/* Enters what it knows into the facts, whose `active` must be set. */
void gates_look(struct gates *gates, struct admission_facts *facts, uint64_t now);

/* A handler is being started. */
void gates_passed(struct gates *gates);

/* It was not started after all. */
void gates_returned(struct gates *gates);

/* When to look again if this is what holds somebody back; 0 if it is none of the gates. */
uint64_t gates_next_look(struct gates *gates, enum admission_reason reason, uint64_t now);

#endif
