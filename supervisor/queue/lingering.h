/*
 * lingering.h - closes connections so that their clients can read what they were sent last.
 *
 * Closing a socket with unread input resets the connection, and the reset may destroy data that
 * the client has not read (RFC 1122, 4.2.2.13; RFC 2525, 2.17).  So we first shut down our side
 * only.  Then we read and discard what the client sends until it closes its side, for a bounded
 * time.  A bounded number of connections can linger like this; one more ends the one with the least
 * time left.  Nothing here blocks.
 */
#ifndef SUPERVISOR_QUEUE_LINGERING_H
#define SUPERVISOR_QUEUE_LINGERING_H

#include "supervisor/base/list.h"
#include "supervisor/base/loop.h"

#include <stdint.h>

enum { LINGERING_MAXIMUM = 1024 };

struct lingering_connection {
    struct list_entry entry; /* first: a list entry is the connection */
    struct loop_source source;
    struct lingering *all;
    uint64_t until;
    uint64_t allowed; /* bytes that may still come */
};

struct lingering {
    struct loop *loop;
    struct lingering_connection list[LINGERING_MAXIMUM];
    int *known;         /* descriptors of `list`, plus 1; 0: none; outlives the supervisor */
    struct list active; /* by `until` */
    struct list unused;
    struct loop_timer timer;
};

/* Prepares for `most` connections; `loop` and `known` must stay.  Goes on with the connections that
 * are in `known` because an earlier supervisor has left them; they have `time` from now on, and may
 * send so many bytes. */
void lingering_open(struct lingering *lingering, struct loop *loop, int known[LINGERING_MAXIMUM],
                    unsigned most, uint64_t time, uint64_t bytes);

/* Closes a connection like this, within `time` and with at most so many bytes discarded; takes over
 * the descriptor. */
void lingering_begin(struct lingering *lingering, int descriptor, uint64_t time, uint64_t bytes);

#endif
