#include "supervisor/base/limiter.h"

bool limiter_allows(struct limiter *limiter, uint64_t now)
{
    if (limiter->until == 0)
        limiter->until = now + LIMITER_PERIOD;
    if (limiter->lines < LIMITER_LINES) {
        limiter->lines++;
        return true;
    }
    limiter->left_out++;
    return false;
}

uint64_t limiter_end(struct limiter *limiter, uint64_t now, bool at_once)
{
    uint64_t left_out = limiter->left_out;

    if (!at_once && (limiter->until == 0 || now < limiter->until))
        return 0;
    *limiter = (struct limiter){0};
    return left_out;
}
