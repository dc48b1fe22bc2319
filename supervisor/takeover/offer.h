/*
 * offer.h - the sockets that the old process of a takeover offers to a new one, with the files that
 * it lends meanwhile (inheritance.h).
 */
#ifndef SUPERVISOR_TAKEOVER_OFFER_H
#define SUPERVISOR_TAKEOVER_OFFER_H

#include "supervisor/takeover/inheritance.h"

#include <stdbool.h>
#include <stdint.h>

/* A listening socket. */
struct offer_socket {
    enum inheritance_kind kind;
    const int *descriptor;
    const char *place; /* NULL: none */
    const char *name;  /* NULL: none */
    bool passed;       /* by a service manager */
};

/* All zero: nothing is offered. */
struct offer {
    struct offer_socket sockets[INHERITANCE_LISTENERS]; /* by the number of their LISTENER */
    uint32_t count; /* more than INHERITANCE_LISTENERS: nothing can be handed over */
};

/* Adds a socket.  What it refers to must stay. */
void offer_add(struct offer *offer, struct offer_socket socket);

/* Sends HELLO and each LISTENER, which fit into a new link at once.  `process` is the process id of
 * the old daemon.  Returns 0, or -1 with errno. */
int offer_send(const struct offer *offer, int link, pid_t process);

/* Lends, or takes back, the files of the sockets whose bit is set. */
void offer_lend(const struct offer *offer, const struct takeover_events *events, uint64_t which,
                bool lent);

#endif
