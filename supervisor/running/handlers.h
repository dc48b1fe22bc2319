/*
 * handlers.h - from the queue to a handler: who is started when, and what dispatchers say of it.
 */
#ifndef SUPERVISOR_RUNNING_HANDLERS_H
#define SUPERVISOR_RUNNING_HANDLERS_H

#include "supervisor/server/server.h"

/* What the dispatchers report, with the server as context; but for the loss of all. */
extern const struct dispatcher_events handlers_events;

/* How many of the waiting clients may start now, and of so many newcomers, and why not more. */
struct admission handlers_admission(struct server *server, uint32_t newcomers);

/* Starts as many of the waiting clients as that allows. */
void handlers_start_waiting(struct server *server);

#endif
