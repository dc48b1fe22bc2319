#include "supervisor/admission/gauge.h"

#include "dispatcher/shared/log.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEPT_FOR = 500000 }; /* microseconds */

static int read_value(struct gauge *gauge)
{
    char text[64];
    char *figure = text + strlen(gauge->before);
    char *end;
    ssize_t length = pread(gauge->descriptor, text, sizeof(text) - 1, 0);

    if (length < 0)
        return -1;
    text[length] = '\0';
    errno = ENODATA;
    if (strncmp(text, gauge->before, strlen(gauge->before)) != 0)
        return -1;
    gauge->value = strtod(figure, &end);
    /* Neither "nan", which compares with nothing, nor "inf", which is above every limit, is a
     * figure. */
    return end == figure || !isfinite(gauge->value) || gauge->value < 0 ? -1 : 0;
}

int gauge_open(struct gauge *gauge, const char *path, const char *before)
{
    *gauge = (struct gauge){
        .path = path, .before = before, .descriptor = open(path, O_RDONLY | O_CLOEXEC)};
    return gauge->descriptor < 0 ? -1 : read_value(gauge);
}

double gauge_value(struct gauge *gauge, uint64_t now)
{
    bool failed;

    if (gauge->read_at != 0 && now - gauge->read_at < KEPT_FOR)
        return gauge->value;
    gauge->read_at = now;
    failed = read_value(gauge) != 0;
    if (failed)
        gauge->value = 0;
    if (failed && !gauge->failed)
        log_warning("cannot read %s: %m; it counts as 0", gauge->path);
    gauge->failed = failed;
    return gauge->value;
}
