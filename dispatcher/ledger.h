/*
 * ledger.h - the ledger of protocol.h, and how a client gets to a worker exactly once.
 */
#ifndef DISPATCHER_LEDGER_H
#define DISPATCHER_LEDGER_H

#include "dispatcher/protocol.h"

#include <stdbool.h>
#include <stddef.h>

/* Maps the ledger, and closes its file.  With `workers`, ledger_hand_over() can use it.  Exits
 * after logging why if that fails. */
struct ledger *ledger_map(bool workers);

/* Sends a client to a worker: its block of variables, and its descriptor, which the caller keeps.
 * Enters the worker's process in the slot.  Never waits.  Returns 0, or -1 with errno: nothing was
 * sent. */
int ledger_hand_over(struct ledger *ledger, unsigned slot, int32_t process, int socket, char *block,
                     size_t length, int client);

#endif
