/*
 * handlers.h - from START to the end of a handler: what dispatchers and the kernel say of it.
 */
#ifndef SUPERVISOR_HANDLERS_H
#define SUPERVISOR_HANDLERS_H

#include "supervisor/server.h"

/* What the dispatchers report, with the server as context. */
extern const struct dispatcher_events handlers_events;

/* Gives the first waiting client to a dispatcher.  Returns 0, or -1 with errno; it waits on then.
 */
int handlers_start(struct server *server, struct client *client);

/* Reaps all children that have ended: dispatchers, handlers that were adopted from dead ones, and
 * whatever else a handler left behind. */
void handlers_reap(struct server *server);

/* Signals the process group of a running handler. */
void handlers_signal(struct server *server, const struct client *client, int signal_number);

#endif
