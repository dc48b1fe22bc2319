/*
 * scenario.h - what a daemon is put through while a system call fails, and whether it held.
 */
#ifndef TESTS_TOOLS_FAULTS_RUN_SCENARIO_H
#define TESTS_TOOLS_FAULTS_RUN_SCENARIO_H

#include "tests/tools/faults/run/tracer.h"

/* What an undisturbed run has needed. */
struct measure {
    unsigned calls;
    int keeper; /* descriptors of it, of the supervisor and of a dispatcher; -1: they may not be
                   looked at */
    int supervisor;
    int dispatcher;
};

enum verdict {
    VERDICT_SURVIVED,
    VERDICT_REFUSED, /* it did not start, and said why */
    VERDICT_NOT_HIT, /* the call was not made so often this time */
    VERDICT_FAILED
};

struct outcome {
    enum verdict verdict;
    unsigned cut;    /* clients that got no answer */
    unsigned twice;  /* clients that had more than one handler */
    unsigned untold; /* refused clients that were not told */
    char why[400];   /* it failed, or what it said when it refused */
};

/* In the current folder; `usual` bounds what it may take, and is measured if `measuring`. */
struct outcome scenario_run(const char *build, const struct fault *fault, struct observed *observed,
                            struct measure *usual, bool measuring);

/* The same for dampenerctl, which asks an undisturbed daemon for its status. */
struct outcome scenario_ask(const char *build, const struct fault *fault,
                            struct observed *observed);

#endif
