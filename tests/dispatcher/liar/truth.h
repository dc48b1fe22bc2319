/*
 * truth.h - what an honest dispatcher does.
 */
#ifndef TESTS_DISPATCHER_LIAR_TRUTH_H
#define TESTS_DISPATCHER_LIAR_TRUTH_H

#include <stdint.h>

void pause_for(int milliseconds);
_Noreturn void stay(void);

/* Waits for the next request; ends the process if none can come. */
void receive(void);

/* Carries the request out, and answers it. */
void answer_truly(void);

/* Starts a handler for the client, which the kernel enters in the ledger; returns its process. */
int32_t start_handler(void);

/* Starts a handler and reports that; returns its process. */
int32_t serve(void);

/* Starts a handler, and reports its start and its end. */
void serve_to_the_end(void);

#endif
