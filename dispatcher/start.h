/*
 * start.h - starts under way: from START to its answer, STARTED or FAILED.
 *
 * A start gives the client to a handler of its own, or to a worker (workers.h).
 *
 * One start can be under way in each slot of the ledger.  STARTED is not urgent, because a handler
 * has its client to itself from its exec on.  So finished starts are collected whenever something
 * else happens, and after start_timeout() if nothing does.
 */
#ifndef DISPATCHER_START_H
#define DISPATCHER_START_H

#include "dispatcher/spawn.h"

#include <stdbool.h>

/* Begins a start; the caller keeps the client's descriptor.  Answers FAILED at once if no child
 * could be cloned.  A request for a slot in use violates the protocol: it is logged and not
 * answered. */
void start_begin(const struct spawn_command *command, struct ledger *ledger,
                 const struct message_start *request, int client);

/* Returns the poll(2) timeout until the next start_collect(), in milliseconds; -1: no start is
 * under way. */
int start_timeout(void);

/* Lengthens the timeout after nothing has happened: the remaining starts may hang, for instance on
 * a dead file system.  The next change shortens it again. */
void start_rest(void);

/* Answers the finished starts. */
void start_collect(void);

/* Returns true if the process is a child whose start is under way. */
bool start_is_under_way(int32_t process);

/* Waits for the children whose exec has failed, and ends their starts: they have sent FAILED. */
void start_end_failed(void);

/* Finishes the start of a worker that has sent its byte, if it was still under way.  Returns false
 * if the worker cannot have been executed yet. */
bool start_settle(int32_t process);

/* Finishes the start of a child that was reaped, if it was still under way. */
void start_reaped(int32_t process, int status);

#endif
