/*
 * ramp.h - lets handlers in gradually when a closed gate opens.
 *
 * The figures of gates lag behind: a handler that starts now shows in them some seconds later.  So
 * an open gate lets in half as many handlers again as were left, and one more at least; with each
 * step it adds half of the number again, until it holds no client back any more.  A step is the
 * time that the kernel takes to renew the figure.
 *
 * Pure; times are microseconds of one clock.
 */
#ifndef SUPERVISOR_ADMISSION_RAMP_H
#define SUPERVISOR_ADMISSION_RAMP_H

#include "supervisor/base/unlimited.h"

#include <stdint.h>

struct ramp {
    uint32_t first;  /* handlers when the gate was last seen closed, 1 at least; 0: it is open */
    uint64_t step;   /* microseconds */
    uint64_t closed; /* when the gate was last seen closed: steps count from there, however late the
                      * next look is */
};

/* Notes that a gate is closed while `active` handlers run; `step` is the time to its next figure.
 */
void ramp_close(struct ramp *ramp, uint32_t active, uint64_t step, uint64_t now);

/* Returns how many handlers may run now that all gates are open, or UNLIMITED. */
uint32_t ramp_open(struct ramp *ramp, uint64_t now);

/* Returns when more handlers may run. */
uint64_t ramp_next(const struct ramp *ramp, uint64_t now);

#endif
