#include "supervisor/base/retry.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/loop.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>

enum { EVERY = 50 /* milliseconds */, WITHIN = 2 /* seconds */ };

bool retry_pause(struct retry *retry, const char *format, ...)
{
    uint64_t now = loop_clock();
    int error = errno;
    char what[PATH_MAX];
    va_list values;

    if (retry->until == 0) {
        va_start(values, format);
        (void)vsnprintf(what, sizeof(what), format, values);
        va_end(values);
        log_warning("%s is in use: trying again for up to %d s", what, WITHIN);
        retry->until = now + (uint64_t)WITHIN * LOOP_SECOND;
    }
    if (now < retry->until)
        (void)poll(NULL, 0, EVERY); /* no event announces that it is free */
    errno = error;
    return now < retry->until;
}
