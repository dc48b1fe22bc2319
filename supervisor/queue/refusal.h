/*
 * refusal.h - the end of a refused connection: sends the busy message, and closes so that the
 * message arrives.
 *
 * Closing a socket with unread input resets the connection, and the reset may destroy the message
 * (RFC 1122, 4.2.2.13; RFC 2525, 2.17).  So we first shut down our side only.  Then we read and
 * discard what the client sends until it closes its side, for a bounded time and size.  A bounded
 * number of connections can linger like this; one more ends the oldest.  Nothing here blocks.
 */
#ifndef SUPERVISOR_QUEUE_REFUSAL_H
#define SUPERVISOR_QUEUE_REFUSAL_H

#include "supervisor/base/list.h"
#include "supervisor/base/loop.h"
#include "supervisor/options/options.h"

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
    const struct options_busy *message;
    struct refusal list[REFUSALS_MAXIMUM];
    int *known;            /* descriptors of `list`, plus 1; 0: none; outlives the supervisor */
    struct list lingering; /* by age */
    struct list unused;
    struct loop_timer timer;
};

/* Closes what an earlier supervisor has left in `known`.  To be called before anything else is
 * opened: it may be closed already. */
void refusals_forget(int known[REFUSALS_MAXIMUM]);

/* Prepares for `most` lingering connections; `loop`, `message` and `known` must stay. */
void refusals_open(struct refusals *refusals, struct loop *loop, const struct options_busy *message,
                   int known[REFUSALS_MAXIMUM], unsigned most);

/* Refuses a client; takes over the descriptor. */
void refusals_begin(struct refusals *refusals, int descriptor);

#endif
