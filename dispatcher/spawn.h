/*
 * spawn.h - starts handlers in the process state that protocol.h and the manual promise: the client
 * on descriptors 0 and 1, nothing above 2, an empty signal mask, a session of its own.
 *
 * A worker gets its socket on descriptor 0 instead of a client, and standard error on 1.
 *
 * Everything that setup.h does not change, a handler inherits from this process.  All descriptors
 * from 3 up must be close-on-exec.
 *
 * A child shares the memory of this process until its exec, which makes it cheap.  Each has a place
 * of its own, one of PROTOCOL_SLOTS.  The place is the child's until spawn_is_over().
 */
#ifndef DISPATCHER_SPAWN_H
#define DISPATCHER_SPAWN_H

#include "dispatcher/protocol.h"

#include <stdbool.h>

/* The command of all handlers. */
struct spawn_command {
    const char *path;
    char *const *arguments;
    const struct setup *setup;
};

/* Clones a child that becomes a handler, in a free place, without waiting for its exec.  `command`
 * and `environment` must stay until spawn_is_over(); `client` can be closed at once.  If the exec
 * fails, the child itself answers `request` with FAILED; NULL: it only ends, as a worker does.
 * Returns the process, or -1 with errno. */
int32_t spawn_begin(const struct spawn_command *command, unsigned place, char *const *environment,
                    int client, const struct message_header *request, struct ledger_slot *slot);

/* Returns true if the child's exec has succeeded or the child has ended.  Its place and its
 * environment are free, although the kernel may use this memory for a moment more. */
bool spawn_is_over(unsigned place);

/* Returns the errno of the step that failed; known before FAILED is sent.  0: the child is a
 * handler, is not yet one, or was killed before it could become one. */
int spawn_error(unsigned place);

/* Exit statuses of a child whose exec failed: after FAILED was sent, or if it could not be sent.
 * Any other end after an error leaves open whether FAILED was sent. */
enum { SPAWN_FAILED = 127, SPAWN_UNHEARD = 126 };

/* Waits until no child has copies of this process's descriptors, a second at most.  The last close
 * of a connection can block, and in a child nothing interrupts it (interrupter.h). */
void spawn_await_apart(void);

/* Frees the place of a dead child. */
void spawn_forget(unsigned place);

#endif
