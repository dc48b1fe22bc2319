/*
 * listener.h - from addresses and a port to listening sockets, and from those to clients.
 *
 * Listening sockets are close-on-exec and non-blocking, with SO_REUSEADDR, SO_KEEPALIVE (which
 * accepted sockets inherit) and the longest backlog that the kernel allows (listen(2): what exceeds
 * net.core.somaxconn is cut to it).
 */
#ifndef SUPERVISOR_LISTENER_H
#define SUPERVISOR_LISTENER_H

#include "dispatcher/protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct listener_request {
    char *const *addresses; /* names or numeric addresses; none: every address of this machine */
    size_t address_count;
    uint16_t port; /* 0: any that is free, one for each listener */
    bool ipv4;     /* prefer this family; both or neither: both families */
    bool ipv6;
};

struct listener {
    int descriptor; /* owned; -1 once closed */
    struct endpoint local;
};

struct listeners {
    struct listener *list;
    size_t count;
};

/* Opens a listener for each address, or none at all: returns 0, or -1 after logging what failed.
 * May wait for a name look-up, so it is for the time before the service starts. */
int listeners_open(struct listeners *listeners, const struct listener_request *request);

/* Takes a client, or returns -1 with the errno of accept4(2).  The descriptor is close-on-exec and
 * blocking, as handlers expect it; accept never waits. */
int listener_accept(const struct listener *listener, struct endpoint *remote);

/* Keeps newcomers out of the backlog, as far as the kernel can: while it is empty, one gets in.
 * Returns how many are in it now: they are the first that listener_accept() will take. */
uint32_t listener_stop(const struct listener *listener);

void listener_close(struct listener *listener);

#endif
