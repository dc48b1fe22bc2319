/*
 * events.h - what the room running/ tells server/, and asks it.
 */
#ifndef SUPERVISOR_RUNNING_EVENTS_H
#define SUPERVISOR_RUNNING_EVENTS_H

#include "dispatcher/protocol.h"
#include "supervisor/base/usage.h"
#include "supervisor/queue/clients.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct running_events {
    /* The client was given to a dispatcher. */
    void (*given)(void *context);
    /* The client waits again: no handler was started. */
    void (*returned)(void *context);
    /* The client's handler runs. */
    void (*started)(void *context, const struct client *client);
    /* The client's handler could not be started, as errno says.  The next attempt comes after
     * `delay` microseconds. */
    void (*failed)(void *context, uint64_t ticket, uint64_t delay);
    /* After failures, a handler was started again. */
    void (*recovered)(void *context);
    /* The client's handler has ended.  `status`, as wait(2) gives it, and `usage` may be NULL: a
     * dispatcher that dies may take that knowledge along. */
    void (*ended)(void *context, const struct client *client, const int *status,
                  const struct usage *usage);
    /* The handler, and its process group if it was told to end, are gone.  Returns false to keep
     * the client's record; the receiver ends it later. */
    bool (*may_end)(void *context, struct client *client, const int *status);
    /* A child was reaped that is neither a dispatcher nor a known handler.  Returns whether the
     * receiver knows it. */
    bool (*reaped)(void *context, pid_t process);
    /* As of struct pool_events. */
    void (*content)(void *context, enum protocol_file file, int descriptor, int error);
    void (*dispatcher_gone)(void *context, unsigned dispatcher);
    void (*lost)(void *context);
    void *context;
};

#endif
