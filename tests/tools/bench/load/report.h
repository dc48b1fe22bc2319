/*
 * report.h - what the load client tells in the end.
 */
#ifndef TESTS_TOOLS_BENCH_LOAD_REPORT_H
#define TESTS_TOOLS_BENCH_LOAD_REPORT_H

#include <stdint.h>

#include "tests/tools/bench/load/record.h"

/* Prints NAME VALUE, a line each, of COUNT clients, of which the last has ended at END. */
void report_print(const struct record *records, unsigned count, int64_t end);

/* Writes one line per client. */
void report_write_timeline(const struct record *records, unsigned count, const char *path);

/* Both end the program if they cannot. */

#endif
