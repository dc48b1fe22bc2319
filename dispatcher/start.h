/*
 * start.h - the starts that are under way: from the supervisor's START to its answer, STARTED or
 * FAILED, when the handler's exec is done.
 *
 * Several may be under way at once, one in each slot of the ledger.
 */
#ifndef DISPATCHER_START_H
#define DISPATCHER_START_H

#include "dispatcher/spawn.h"

#include <stdbool.h>

/* Begins one; takes over the client's descriptor.  Answers FAILED if no child could be made.
 * A request for a slot that is not free, which none may send, is refused without an answer. */
void start_begin(const struct spawn_command *command, struct ledger *ledger,
                 const struct message_start *request, int client);

/* For how long to look for something else to do, in milliseconds as poll(2) takes it, before
 * start_await(): -1 if none is under way; 0 if one is, which is a matter of microseconds; more and
 * more if all that are hang, on a dead file system perhaps. */
int start_timeout(void);

/* Whether none is under way. */
bool start_is_idle(void);

/* Nothing else is to be done: waits until one of them is done, or has turned out to hang.  One that
 * hangs holds up no other. */
void start_await(void);

/* Answers those that are done. */
void start_collect(void);

/* A child has been reaped: if it was still under way, it is done. */
void start_reaped(int32_t process);

/* In a process that was forked off: they are not its own. */
void start_forget(void);

#endif
