/*
 * checks.h - what must hold of a daemon, whatever has failed.
 */
#ifndef TESTS_TOOLS_FAULTS_RUN_CHECKS_H
#define TESTS_TOOLS_FAULTS_RUN_CHECKS_H

#include "tests/tools/faults/run/run.h"

/* Whether all its processes are there, and the dispatchers are ready. */
bool checks_is_complete(struct run *run);

/* Whether besides no client is there. */
bool checks_is_at_rest(struct run *run);

/* How many descriptors each of its processes has. */
void checks_measure(const struct run *run, struct measure *measure);

/* It comes to rest; its counters add up; it holds no more than at its start. */
void checks_rest(struct run *run);

/* Of a daemon that has ended, no process and no file is left. */
void checks_nothing_left(struct run *run);

/* Nothing in the log says that it found itself wrong. */
void checks_log(struct run *run);

/* It made no more system calls than are usual. */
void checks_calls(struct run *run);

/* All clients had what they came for, once. */
void checks_books(struct run *run);

#endif
