#include "supervisor/admission/rate.h"

static void fill(struct rate *rate, uint64_t now)
{
    uint64_t full = rate->count * rate->period;
    uint64_t passed = now - rate->filled_at;

    rate->filled_at = now;
    if (passed >= rate->period || full - rate->level <= passed * rate->count)
        rate->level = full;
    else
        rate->level += passed * rate->count;
}

uint32_t rate_tokens(struct rate *rate, uint64_t now)
{
    if (rate->count == 0)
        return UNLIMITED;
    fill(rate, now);
    return (uint32_t)(rate->level / rate->period);
}

void rate_set(struct rate *rate, uint32_t count, uint64_t period, uint64_t now)
{
    uint64_t tokens = rate_tokens(rate, now);
    uint64_t part = rate->count == 0 ? 0 : rate->level % rate->period; /* of the next token */

    if (count == UNLIMITED) {
        *rate = (struct rate){0};
        return;
    }
    if (part > 0 && period != rate->period)
        part = (uint64_t)((double)part / (double)rate->period * (double)(period - 1));
    *rate = (struct rate){.count = count, .period = period, .filled_at = now};
    rate->level = tokens < count ? tokens * period + part : count * period;
}

void rate_take(struct rate *rate)
{
    rate->level -= rate->period;
}

void rate_return(struct rate *rate)
{
    uint64_t full = rate->count * rate->period;

    rate->level = full - rate->level < rate->period ? full : rate->level + rate->period;
}

uint64_t rate_next(struct rate *rate, uint64_t now)
{
    uint64_t missing;

    fill(rate, now);
    missing = rate->period - rate->level % rate->period;
    return now + (missing + rate->count - 1) / rate->count;
}
