/*
 * operator.h - what an operator asks a daemon for.
 */
#ifndef TESTS_TOOLS_FAULTS_RUN_OPERATOR_H
#define TESTS_TOOLS_FAULTS_RUN_OPERATOR_H

#include "tests/tools/faults/run/run.h"

/* Questions, settings, a pause, the metrics, SIGHUP and SIGUSR1.  A fault may keep any of these
 * from being answered once. */
void operator_operate(struct run *run);

#endif
