#include "supervisor/admission/ramp.h"

void ramp_close(struct ramp *ramp, uint32_t active, uint64_t step, uint64_t now)
{
    *ramp = (struct ramp){.first = active > 0 ? active : 1, .step = step, .closed = now};
}

uint32_t ramp_open(struct ramp *ramp, uint64_t now)
{
    uint32_t limit = ramp->first;
    uint64_t steps;

    if (ramp->first == 0)
        return UNLIMITED;
    for (steps = 1 + (now - ramp->closed) / ramp->step; steps > 0; steps--) {
        uint32_t more = limit / 2 > 0 ? limit / 2 : 1;

        if (limit > UNLIMITED - more) {
            ramp->first = 0;
            return UNLIMITED;
        }
        limit += more;
    }
    return limit;
}

uint64_t ramp_next(const struct ramp *ramp, uint64_t now)
{
    return now + ramp->step - (now - ramp->closed) % ramp->step;
}
