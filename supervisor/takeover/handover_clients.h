/*
 * handover_clients.h - the clients in a handover: sends them to the new process, ends those that
 * wait there, and reports the end of each handler that stayed here.
 *
 * Functions that send never block.
 */
#ifndef SUPERVISOR_TAKEOVER_HANDOVER_CLIENTS_H
#define SUPERVISOR_TAKEOVER_HANDOVER_CLIENTS_H

#include "supervisor/queue/queue.h"

#include <stdbool.h>
#include <stdint.h>

struct handover_clients {
    struct queue *queue;
    struct client *next; /* to be sent */
    bool queued;         /* `next` waits; clients with a handler are sent first */
    uint32_t owed;       /* handlers whose end has to be reported */
};

/* Begins with the first client that has a handler. */
void handover_clients_begin(struct handover_clients *clients);

/* Returns whether a client is left to be sent. */
bool handover_clients_left(struct handover_clients *clients);

/* Sends the next clients in one message.  Returns 0, or -1 with errno: they stay the next ones. */
int handover_clients_send(struct handover_clients *clients, int socket);

/* Ends all waiting clients, because the new process has them.  Closes the copies of their
 * descriptors. */
void handover_clients_end(struct handover_clients *clients);

/* Keeps a client whose handler has ended until that is reported.  `status` may be NULL. */
void handover_clients_owe(struct handover_clients *clients, struct client *client,
                          const int *status);

/* Reports each end that is owed, and ends the client.  Without a socket (-1), ends the clients
 * without a report.  Returns 0, or -1 with errno: some ends are still owed. */
int handover_clients_report(struct handover_clients *clients, int socket);

#endif
