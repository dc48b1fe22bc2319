/*
 * check.h - for probes: says which expectation was not met, and goes on to the next.
 */
#ifndef TESTS_SHARED_CHECK_H
#define TESTS_SHARED_CHECK_H

#include <stdio.h>
#include <stdlib.h>

__attribute__((weak)) int check_failures; /* one for all files of a probe */

/* scripts/lint defines CHECK_ENDS: what follows a failed check may crash, because the probe has
 * failed already, and analysers need not follow it. */
#ifdef CHECK_ENDS
#define CHECK_FAILED() abort()
#else
#define CHECK_FAILED() check_failures++
#endif

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);          \
            CHECK_FAILED();                                                                        \
        }                                                                                          \
    } while (0)

/* The exit status of a probe. */
#define CHECK_RESULT() (check_failures == 0 ? 0 : 1)

#endif
