/*
 * clients.h - the clients of a scenario, a few at a time.
 */
#ifndef TESTS_TOOLS_FAULTS_RUN_CLIENTS_H
#define TESTS_TOOLS_FAULTS_RUN_CLIENTS_H

#include "tests/tools/faults/run/run.h"

enum { CLIENTS_BURST = 6 };

struct visitor {
    int descriptor; /* -1: it could not connect */
    unsigned number;
};

/* Connects a client from 127.0.0.`from`, who asks for what the handler knows by that letter. */
struct visitor clients_begin(struct run *run, unsigned from, char letter, enum wish wish);

/* Waits until each of them has its answer, and the end of its connection. */
void clients_end(struct run *run, const struct visitor *visitors, unsigned count);

/* Connects some clients at once, who want an answer. */
void clients_begin_burst(struct run *run, struct visitor burst[CLIENTS_BURST]);

/* Two handlers stay until their time is over.  Behind them wait a client that gives up, and one
 * that does not; others are denied, or refused because the queue is full. */
void clients_queue(struct run *run);

/* A client is answered, at the third attempt at the latest. */
void clients_check_answer(struct run *run);

#endif
