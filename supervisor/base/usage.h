/*
 * usage.h - what a process has used, as getrusage(2) counts it.
 */
#ifndef SUPERVISOR_BASE_USAGE_H
#define SUPERVISOR_BASE_USAGE_H

#include <stdint.h>

struct usage {
    uint64_t user_time; /* microseconds */
    uint64_t system_time;
    uint64_t memory; /* KiB, at the most */
};

#endif
