/*
 * clock.h - the time, in microseconds since an arbitrary moment.
 */
#ifndef DISPATCHER_CLOCK_H
#define DISPATCHER_CLOCK_H

#include "dispatcher/shared/log.h"

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_microseconds(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        log_bug("dispatcher: clock_gettime: %m");
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

#endif
