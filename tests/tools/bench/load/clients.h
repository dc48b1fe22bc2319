/*
 * clients.h - the clients: how each of them connects, hears its answer and ends.
 *
 * Nobody is lost without a count: begun - ended are in flight, and each ends with one outcome.
 */
#ifndef TESTS_TOOLS_BENCH_LOAD_CLIENTS_H
#define TESTS_TOOLS_BENCH_LOAD_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/tools/bench/load/options.h"
#include "tests/tools/bench/load/record.h"

struct clients {
    struct record *records; /* in the order in which they begin */
    unsigned count;
    unsigned begun;
    unsigned ended;
    unsigned answered;
};

/* Takes all memory that will be needed; GIVEN must stay.  Ends the program if it cannot. */
const struct clients *clients_prepare(const struct options *given);

/* There must be one that has not begun. */
void clients_begin_next(void);

/* Returns whether anything has happened to any of them within so many milliseconds. */
bool clients_take_turn(int timeout);

/* Those in flight are lost, and those that have not begun as well. */
void clients_lose_all(void);

/* Nanoseconds of CLOCK_MONOTONIC. */
int64_t clients_now(void);

#endif
