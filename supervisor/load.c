#include "supervisor/load.h"

#include "dispatcher/log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { KEPT_FOR = 500000 }; /* microseconds */

int load_open(struct load *load)
{
    *load = (struct load){.descriptor = open("/proc/loadavg", O_RDONLY | O_CLOEXEC)};
    return load->descriptor < 0 ? -1 : 0;
}

double load_average(struct load *load, uint64_t now)
{
    char text[32];
    char *end = text;
    ssize_t length;

    if (load->read_at != 0 && now - load->read_at < KEPT_FOR)
        return load->average;
    load->read_at = now;
    load->average = 0;
    length = pread(load->descriptor, text, sizeof(text) - 1, 0);
    if (length > 0) {
        text[length] = '\0';
        load->average = strtod(text, &end);
    }
    if (end == text)
        log_warning("cannot read the load average from /proc/loadavg");
    return load->average;
}
