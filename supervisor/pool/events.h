/*
 * events.h - what the pool tells the rest of the supervisor, and the one thing that it asks.
 *
 * Clients are known only by the handle and the ticket that travel in messages.  A callback may call
 * functions of pool.h, except where the function says otherwise.
 */
#ifndef SUPERVISOR_POOL_EVENTS_H
#define SUPERVISOR_POOL_EVENTS_H

#include "dispatcher/protocol.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pool_events {
    /* START was sent: the receiver closes its copy of the connection. */
    void (*delivered)(void *context, uint32_t client, uint64_t ticket);

    /* The following five answer a START; each START gets exactly one of them. */

    /* START could not be sent. */
    void (*undelivered)(void *context, uint32_t client, uint64_t ticket);
    /* The handler's exec has succeeded.  The handler was cloned `age` microseconds ago. */
    void (*started)(void *context, unsigned dispatcher, uint32_t client, uint64_t ticket,
                    int32_t process, uint32_t age);
    /* The start was tried and no handler runs; `error` is an errno.  The receiver closes
     * `descriptor`, the connection; -1 if this process had no room for it. */
    void (*failed)(void *context, uint32_t client, uint64_t ticket, int error, int descriptor);
    /* The dispatcher died before it started a handler.  The receiver closes `descriptor`, the
     * connection; -1 if START was never sent, or if a faulty dispatcher lost the connection. */
    void (*returned)(void *context, uint32_t client, uint64_t ticket, int descriptor);
    /* The dispatcher died after it started the handler, which is a child of this process now. */
    void (*orphaned)(void *context, uint32_t client, uint64_t ticket, int32_t process);

    /* A handler has ended.  Returns false if the dispatcher has no such handler; the dispatcher is
     * killed then. */
    bool (*exited)(void *context, unsigned dispatcher, const struct message_exited *message);
    /* Signals to children of this process may have been lost with a dispatcher. */
    void (*unsignalled)(void *context);
    /* The answer to READ: a descriptor, which the receiver closes, or an errno. */
    void (*content)(void *context, enum protocol_file file, int descriptor, int error);
    /* A dispatcher is dead and its messages are read.  Handlers that it reported as started and not
     * as ended are children of this process now.  Its unanswered requests may be undone. */
    void (*gone)(void *context, unsigned dispatcher);
    /* Returns true if the process is a handler's, and so cannot be a dispatcher. */
    bool (*is_handler)(void *context, pid_t process);
    /* All dispatchers are dead; none is left to fork another. */
    void (*lost)(void *context);
    void *context;
};

#endif
