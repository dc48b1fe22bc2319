/*
 * record.h - what there is to be told of one client once all have ended.
 */
#ifndef TESTS_TOOLS_BENCH_LOAD_RECORD_H
#define TESTS_TOOLS_BENCH_LOAD_RECORD_H

#include <stdint.h>

/* How a client may end, and exactly one of them is how it has. */
enum outcome { UNENDED, ANSWERED, REFUSED, RESET, WRONG, LOST, OUTCOMES };

/* The moments of a client's life, in their order.  DONE is also when a client ended without a byte
 * of an answer. */
enum moment { BEGUN, CONNECTED, FIRST, DONE, MOMENTS };

struct record {
    int64_t at[MOMENTS]; /* in nanoseconds of CLOCK_MONOTONIC; 0 if it never happened */
    enum outcome outcome;
};

#endif
