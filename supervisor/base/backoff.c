#include "supervisor/base/backoff.h"

#include "dispatcher/shared/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>

enum { PAUSE = 50 /* milliseconds */, PATIENCE = 2 /* seconds */ };

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

uint64_t backoff_next(const struct backoff *backoff, uint64_t now)
{
    return backoff_holds(backoff, now) ? backoff->until : now;
}

bool backoff_pause(uint64_t *until, const char *format, ...)
{
    uint64_t now = loop_clock();
    int error = errno;
    char what[PATH_MAX];
    va_list values;

    if (*until == 0) {
        va_start(values, format);
        (void)vsnprintf(what, sizeof(what), format, values);
        va_end(values);
        log_warning("%s is in use: trying again for up to %d s", what, PATIENCE);
        *until = now + (uint64_t)PATIENCE * LOOP_SECOND;
    }
    if (now < *until)
        (void)poll(NULL, 0, PAUSE); /* no event announces that it is free */
    errno = error;
    return now < *until;
}
