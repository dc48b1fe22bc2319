/*
 * options.h - what options may be once they have been taken, however they were given.
 */
#ifndef TESTS_FUZZ_SHARED_OPTIONS_H
#define TESTS_FUZZ_SHARED_OPTIONS_H

#include "supervisor/options/options.h"

/* Holds them against what messages and manual name as accepted. */
void options_check(const struct options *options);

/* Of those that were parsed, what takes memory. */
void options_forget(struct options *options);

#endif
