/*
 * load.h - the 1-minute load average, from /proc/loadavg.
 *
 * The file is held open, so that it can be read whatever becomes of privileges and root directory.
 * The kernel computes it every five seconds; it is read at most every half second.
 */
#ifndef SUPERVISOR_LOAD_H
#define SUPERVISOR_LOAD_H

#include <stdint.h>

struct load {
    int descriptor;
    double average;
    uint64_t read_at; /* 0: not yet */
};

/* Returns 0, or -1 with errno. */
int load_open(struct load *load);

/* The load average; `now` as of loop.h.  What cannot be read counts as no load at all, which keeps
 * the service going, and is logged. */
double load_average(struct load *load, uint64_t now);

#endif
