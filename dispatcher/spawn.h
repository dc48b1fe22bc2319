/*
 * spawn.h - starts handlers in the process state that protocol.h and the manual promise:
 * the client on descriptors 0 and 1, nothing above 2, an empty signal mask, a session of its own.
 *
 * What setup.h does not change is as in this process, which setup.h and service.h have seen to. All
 * descriptors from 3 up must be close-on-exec.
 *
 * A child runs in the memory of this process until its exec, which is what makes it cheap.  Several
 * may do so at once, each in a place of its own: one of PROTOCOL_SLOTS, which belongs to the child
 * until spawn_is_over() says so.
 */
#ifndef DISPATCHER_SPAWN_H
#define DISPATCHER_SPAWN_H

#include "dispatcher/protocol.h"

#include <stdbool.h>

/* What every handler executes. */
struct spawn_command {
    const char *path;
    char *const *arguments;
    const struct setup *setup;
};

/* Clones a child that becomes a handler, in a free place, and does not wait for it; `command`
 * and `environment` must stay until it is over, `client` can be closed at once.  If it cannot
 * become one, it answers the request with FAILED.  Returns the process, or -1 with errno. */
int32_t spawn_begin(const struct spawn_command *command, unsigned place, char *const *environment,
                    int client, const struct message_header *request, struct ledger_slot *slot);

/* Whether the child has left: its exec has succeeded, or it has ended.  For a moment more it may
 * share this memory, inside of the kernel; but its place is free, and its environment. */
bool spawn_is_over(unsigned place);

/* Why the child of a place does not become a handler: errno of the step that failed, known before
 * FAILED is sent.  0 if it has become one, is under way still, or was killed before that. */
int spawn_error(unsigned place);

/* What a child exits with that has said FAILED, or could not say it.  If there is an error and it
 * ended in another way, it may have been killed before. */
enum { SPAWN_FAILED = 127, SPAWN_UNHEARD = 126 };

/* The child is known to be dead, or never was one of this process: the place is free. */
void spawn_forget(unsigned place);

#endif
