/*
 * gauge.h - a figure that the kernel keeps in a file: a load average, or a pressure.
 *
 * The file is held open, so that it can be read whatever becomes of privileges and root directory.
 * It is read when somebody asks, and at most every half second: the kernel renews a load average
 * every 5 seconds (include/linux/sched/loadavg.h, LOAD_FREQ), and a pressure every 2 seconds
 * (kernel/sched/psi.c, PSI_FREQ).
 */
#ifndef SUPERVISOR_ADMISSION_GAUGE_H
#define SUPERVISOR_ADMISSION_GAUGE_H

#include <stdbool.h>
#include <stdint.h>

struct gauge {
    const char *path;
    const char *before; /* what stands before the figure at the beginning of the file */
    int descriptor;
    double value;
    uint64_t read_at; /* 0: not yet */
    bool failed;      /* the last reading */
};

/* Opens the file and reads it once; `path` and `before` must stay.  Returns 0, or -1 with errno;
 * ENODATA if the figure is not there. */
int gauge_open(struct gauge *gauge, const char *path, const char *before);

/* The figure; `now` as of loop.h.  What cannot be read any more counts as 0, which keeps the
 * service going, and is logged once. */
double gauge_value(struct gauge *gauge, uint64_t now);

#endif
