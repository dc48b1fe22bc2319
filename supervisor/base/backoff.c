#include "supervisor/base/backoff.h"

void backoff_failed(struct backoff *backoff, uint64_t now)
{
    if (backoff_holds(backoff, now) && !backoff->attempted)
        return;
    backoff->attempted = false;
    backoff->delay = backoff->delay == 0 ? backoff->first : backoff->delay * 2;
    if (backoff->delay > backoff->longest)
        backoff->delay = backoff->longest;
    backoff->until = now + backoff->delay;
}

void backoff_succeeded(struct backoff *backoff)
{
    backoff->delay = 0;
    backoff->until = 0;
    backoff->attempted = false;
}

void backoff_attempted(struct backoff *backoff, uint64_t now)
{
    if (backoff->delay == 0)
        return;
    backoff->attempted = true;
    backoff->until = now + backoff->delay;
}

bool backoff_failing(const struct backoff *backoff)
{
    return backoff->delay != 0;
}

bool backoff_holds(const struct backoff *backoff, uint64_t now)
{
    return backoff->delay != 0 && now < backoff->until;
}
