/*
 * refusal.h - the last moments of a refused connection: it is sent the busy message and closed,
 * so that the message arrives.
 *
 * A socket that is closed with input unread resets the connection, and the reset may destroy what
 * has been sent before (RFC 1122, 4.2.2.13; RFC 2525, 2.17).  So first only our side is shut down;
 * then what the client has sent, and still sends, is read and forgotten until it closes its side,
 * for a bounded time and size.  So many connections can be in that state at once; one more ends the
 * oldest.  Nothing here ever waits.
 */
#ifndef SUPERVISOR_QUEUE_REFUSAL_H
#define SUPERVISOR_QUEUE_REFUSAL_H

#include "supervisor/base/list.h"
#include "supervisor/base/loop.h"
#include "supervisor/options/busy.h"

#include <stdint.h>

enum { REFUSALS_MAXIMUM = 256 };

struct refusal {
    struct list_entry entry; /* first: a list entry is the refusal */
    struct loop_source source;
    struct refusals *all;
    uint64_t until;
    uint32_t discarded; /* bytes */
};

struct refusals {
    struct loop *loop;
    const struct busy_message *message;
    struct refusal list[REFUSALS_MAXIMUM];
    struct list lingering; /* by age */
    struct list unused;
    struct loop_timer timer;
};

/* Prepares for `most` at once; `loop` and `message` must stay. */
void refusals_open(struct refusals *refusals, struct loop *loop, const struct busy_message *message,
                   unsigned most);

/* Refuses a client; takes over the descriptor. */
void refusals_begin(struct refusals *refusals, int descriptor);

/* How many are not over yet. */
uint32_t refusals_count(const struct refusals *refusals);

#endif
