/*
 * gauge.h - a figure that the kernel keeps in a file: a load average, or a pressure.
 *
 * The file stays open, so that it can be read after privileges and root directory have changed.  It
 * is read on demand, but at most every half second: the kernel renews a load average every 5
 * seconds (include/linux/sched/loadavg.h, LOAD_FREQ), and a pressure every 2 seconds
 * (kernel/sched/psi.c, PSI_FREQ).
 */
#ifndef SUPERVISOR_ADMISSION_GAUGE_H
#define SUPERVISOR_ADMISSION_GAUGE_H

#include <stdbool.h>
#include <stdint.h>

struct gauge {
    const char *path;
    const char *before; /* the text before the figure, at the beginning of the file */
    int descriptor;
    double value;
    uint64_t read_at; /* 0: not yet */
    bool failed;      /* the last reading has failed */
};

/* Opens the file and reads it once; `path` and `before` must stay.  Returns 0, or -1 with errno:
 * ENODATA if the file has no such figure. */
int gauge_open(struct gauge *gauge, const char *path, const char *before);

/* Returns the figure; `now` is the time of loop.h.  A figure that cannot be read any more counts as
 * 0, which keeps the service going, and is logged once. */
double gauge_value(struct gauge *gauge, uint64_t now);

#endif
