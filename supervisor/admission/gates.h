/*
 * gates.h - how the state of the machine, and the rate, hold handlers back.
 *
 * The gates are the load average and the pressures; they are looked at only while a client waits. A
 * closed gate holds back all handlers but one, and opens gradually (ramp.h).  No gate closes for
 * good: its figure falls when no handler starts.
 *
 * The rate is no gate.  It holds back the first handler, too; otherwise handlers that end quickly
 * could start at any rate.  Time lets every client in.
 *
 * Times are those of loop.h.  No call blocks, except gates_open().
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
    struct gate list[OPTIONS_GATES];
    struct ramp ramp;
    struct rate rate; /* a start takes a token, and gives it back if it fails */
};

/* Opens the files that the options need; `options` must stay.  Returns 0, or -1 after logging which
 * file is missing. */
int gates_open(struct gates *gates, const struct options *options, uint64_t now);

/* Returns whether a limit on the load average can be set later. */
bool gates_has_load(const struct gates *gates);

/* Follows the options, whose rate may have changed. */
void gates_adjust(struct gates *gates, uint64_t now);

/* Enters the gates and the rate into the facts, whose `active` must be set. */
void gates_look(struct gates *gates, struct admission_facts *facts, uint64_t now);

/* Looks at one gate for people, and changes nothing.  Returns whether the operator has set its
 * limit; then `figure` is that of this moment. */
bool gates_show(struct gates *gates, enum options_gate_kind kind, double *figure, uint64_t now);

/* Returns when to look again if `reason` holds a client back; 0 if it is neither gate nor rate. */
uint64_t gates_next_look(struct gates *gates, enum admission_reason reason, uint64_t now);

#endif
