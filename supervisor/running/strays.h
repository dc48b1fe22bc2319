/*
 * strays.h - connections that are open although no client in the books has them: a supervisor was
 * killed after it had received them, and before it took note.
 *
 * A stray is a connection that a dispatcher gave back, one that was in the packet of a dead
 * dispatcher, or a new client.
 */
#ifndef SUPERVISOR_RUNNING_STRAYS_H
#define SUPERVISOR_RUNNING_STRAYS_H

#include "supervisor/queue/clients.h"

#include <stddef.h>

enum { STRAYS_MAXIMUM = 128 /* more than can come in one packet, and than are accepted at once */ };

struct strays {
    int descriptors[STRAYS_MAXIMUM]; /* owned */
    size_t count;
};

/* Takes over a connection.  If there is no room, closes it. */
void strays_add(struct strays *strays, int descriptor);

/* Returns a connection of this client, which the caller owns from now on; or -1.  If the record has
 * a descriptor, that decides; otherwise, and before Linux 4.12, the remote end. */
int strays_take(struct strays *strays, const struct client *client);

/* Returns the next connection, which the caller owns from now on, in the order of their numbers; or
 * -1. */
int strays_next(struct strays *strays);

#endif
