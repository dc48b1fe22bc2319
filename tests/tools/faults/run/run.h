/*
 * run.h - one run of a daemon: what the parts of a scenario share.
 */
#ifndef TESTS_TOOLS_FAULTS_RUN_RUN_H
#define TESTS_TOOLS_FAULTS_RUN_RUN_H

#include "tests/tools/faults/run/books.h"
#include "tests/tools/faults/run/scenario.h"
#include "tests/tools/faults/run/service.h"

#include <stdbool.h>

enum {
    RUN_WITHIN = 20000, /* milliseconds: whatever is awaited */
    RUN_TRIES = 3,      /* as the fault may come so late that it meets the last client */
    RUN_STATUS = 16 * 1024
};

struct run {
    struct service service;
    const struct fault *fault;
    struct observed *observed;
    struct measure *usual;
    struct outcome outcome;
    struct books books;
    unsigned staying;         /* clients whose handlers are to be ended by their time limit */
    long dropped;             /* clients that the daemon says it has dropped */
    unsigned happened_before; /* a step of the scenario: how often the fault had come about */
    char status[RUN_STATUS];  /* the latest answer to a question */
};

/* The first reason counts. */
__attribute__((format(printf, 2, 3))) void run_fail(struct run *run, const char *format, ...);

bool run_failed(const struct run *run);

/* Whether the fault is a death instead of an error. */
bool run_kills(const struct run *run);

/* Waits until it is so, or the daemon has ended. */
bool run_await(struct run *run, bool (*is_so)(struct run *run), int milliseconds);

/* Sends the daemon a signal, unless it has ended. */
void run_tell(struct run *run, int signal_number);

/* Asks until there is an answer other than an error: the fault may be in the look-up of the user.
 */
bool run_ask(struct run *run, const char *question);

#endif
