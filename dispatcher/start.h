/*
 * start.h - the starts that are under way: from the supervisor's START to its answer, STARTED or
 * FAILED, when the handler's exec is done.
 *
 * STARTED need not be in a hurry: by the time of its exec a handler has its client to itself.  So
 * it is looked for when something else happens, and now and then if nothing does.
 *
 * Several may be under way at once, one in each slot of the ledger.
 */
#ifndef DISPATCHER_START_H
#define DISPATCHER_START_H

#include "dispatcher/spawn.h"

#include <stdbool.h>

/* Begins one; the client's descriptor stays the caller's.  Answers FAILED at once if no child could
 * be made.  A request for a slot that is not free, which none may send, is refused without an
 * answer. */
void start_begin(const struct spawn_command *command, struct ledger *ledger,
                 const struct message_start *request, int client);

/* For how long to wait for something else to happen, in milliseconds as poll(2) takes it, before
 * those are looked for that are done: -1 if none is under way. */
int start_timeout(void);

/* Whether none is under way. */
bool start_is_idle(void);

/* Nothing has happened for that long: the next time may be longer, as those that are left may hang,
 * on a dead file system perhaps. */
void start_rest(void);

/* Answers those that are done. */
void start_collect(void);

/* A child has been reaped: if it was still under way, it is done. */
void start_reaped(int32_t process, int status);

/* In a process that was forked off: they are not its own. */
void start_forget(void);

#endif
