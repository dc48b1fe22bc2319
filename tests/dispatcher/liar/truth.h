/*
 * truth.h - what a dispatcher does that does not lie, or not yet.
 */
#ifndef TESTS_DISPATCHER_LIAR_TRUTH_H
#define TESTS_DISPATCHER_LIAR_TRUTH_H

#include <stdbool.h>
#include <stdint.h>

void pause_for(int milliseconds);
_Noreturn void stay(void);

/* Waits for the next request; ends the process if none can come. */
void receive(void);

/* Does what the request asks for, and says so. */
void answer_truly(void);

/* Starts a handler for the client, enters it in the ledger, and returns its process. */
int32_t start_handler(void);

/* Likewise, and says so: all but its end. */
int32_t serve(void);

/* Waits for its end as well, and tells of it. */
void serve_to_the_end(void);

/* Whether those that are asked for are the ones that there are from the start. */
bool is_first(void);

/* Forks a successor, and returns its process; returns in that as well, with 0, if it has a lie to
 * tell. */
int32_t fork_truly(void);
void become_successor(void);

#endif
