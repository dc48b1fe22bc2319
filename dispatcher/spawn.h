/*
 * spawn.h - starts one handler in the process state that protocol.h and the manual promise:
 * the client on descriptors 0 and 1, nothing above 2, an empty signal mask, a session of its own.
 *
 * What setup.h does not change is as in this process, which setup.h and service.h have seen to. All
 * descriptors from 3 up must be close-on-exec.
 */
#ifndef DISPATCHER_SPAWN_H
#define DISPATCHER_SPAWN_H

#include "dispatcher/protocol.h"

#include <sys/types.h>

/* What every handler executes. */
struct spawn_command {
    const char *path;
    char *const *arguments;
    const struct setup *setup;
};

/* Starts a handler and waits until its exec is done; the caller keeps `client` and closes it.
 * Returns 0 with the process in *process, which the supervisor cannot change, as it could the slot;
 * or the errno of the step that failed: then no handler runs, and no child is left. */
int spawn_handler(const struct spawn_command *command, char *const *environment, int client,
                  struct ledger_slot *slot, int32_t *process);

#endif
