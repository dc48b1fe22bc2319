/*
 * ramp.h - what a gate lets in after it has been closed: not all at once.
 *
 * The figures that gates look at lag behind: what is started now shows in them some seconds later.
 * So when a gate opens, there may be half as many handlers again as were left, and one more at
 * least; and with each step by as much again, until nobody is held back by it any more.  A step is
 * the time that the kernel takes to renew the figure.  Pure; times are microseconds of one clock.
 */
#ifndef SUPERVISOR_ADMISSION_RAMP_H
#define SUPERVISOR_ADMISSION_RAMP_H

#include <stdbool.h>
#include <stdint.h>

enum { RAMP_UNLIMITED = UINT32_MAX };

struct ramp {
    bool opening;
    uint32_t first;  /* handlers that there were when it was closed; 1 at least */
    uint64_t step;   /* microseconds */
    uint64_t closed; /* when it was last seen closed: steps count from there, however late
                      * somebody looks again */
};

/* A gate is closed, and there are so many handlers; `step` is how long its figure takes. */
void ramp_close(struct ramp *ramp, uint32_t active, uint64_t step, uint64_t now);

/* All gates are open.  Returns how many handlers there may be. */
uint32_t ramp_open(struct ramp *ramp, uint64_t now);

/* When there may be more of them. */
uint64_t ramp_next(const struct ramp *ramp, uint64_t now);

#endif
