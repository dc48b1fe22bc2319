/*
 * workers.h - the workers of a dispatcher (protocol.h, WORKERS): starts them, gives clients to
 * them, and ends those that are not needed or misbehave.
 *
 * A worker that has become idle last gets the next client.  A worker leaves when its dispatcher
 * closes the socket; one that does not is killed after ten seconds.  Which client a worker has is
 * known to children.h.
 */
#ifndef DISPATCHER_WORKERS_H
#define DISPATCHER_WORKERS_H

#include "dispatcher/spawn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct worker;

/* Prepares for workers.  Exits after logging why if that fails. */
void workers_open(const struct spawn_command *command);

/* Returns a descriptor for poll(2) that is readable when workers_hear() has something to do; -1:
 * handlers are no workers. */
int workers_descriptor(void);

/* Gives a client to an idle worker, as ledger_hand_over() does.  Returns the worker; or NULL with
 * errno, EAGAIN if none is idle. */
struct worker *workers_give(struct ledger *ledger, unsigned slot, char *block, size_t length,
                            int client);

/* Starts a worker in a free place of spawn.h, and gives it a client before its exec.
 * workers_settle() must follow when that is over.  Returns the worker, or NULL with errno. */
struct worker *workers_begin(struct ledger *ledger, unsigned slot, char *block, size_t length,
                             int client);

int32_t workers_process(const struct worker *worker);

/* The worker's exec has succeeded, or it was killed before. */
void workers_settle(struct worker *worker);

/* The worker's exec has failed, and it was reaped: forgets it.  Returns its client, for the caller
 * to close; -1: it cannot be had. */
int workers_take_back(struct worker *worker);

/* Reads what workers have sent.  Calls `ready` for each that says it has finished its client; it
 * returns false if that cannot be. */
void workers_hear(bool (*ready)(int32_t process));

/* The worker was sent a signal for its client: it gets no other. */
void workers_retire(int32_t process);

/* Forgets a worker that was reaped; does nothing for another process. */
void workers_reaped(int32_t process, int status);

/* Returns the milliseconds until workers_advance() has something to do; -1: for ever. */
int workers_timeout(void);

/* Ends idle workers whose time is over, and kills those that have not left. */
void workers_advance(void);

#endif
