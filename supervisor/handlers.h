/*
 * handlers.h - from the queue to the end of a handler: who is started when, and what dispatchers
 * and the kernel say of it.
 */
#ifndef SUPERVISOR_HANDLERS_H
#define SUPERVISOR_HANDLERS_H

#include "supervisor/server.h"

/* What the dispatchers report, with the server as context. */
extern const struct dispatcher_events handlers_events;

/* How many of the waiting clients may start now, and of so many newcomers, and why not more. */
struct admission handlers_admission(struct server *server, uint32_t newcomers);

/* Starts as many of the waiting clients as that allows. */
void handlers_start_waiting(struct server *server);

/* Reaps all children that have ended: dispatchers, handlers that were adopted from dead ones, and
 * whatever else a handler left behind. */
void handlers_reap(struct server *server);

/* From now on nobody is started, and the process group of each handler, whether it runs already or
 * is only on its way, gets this signal. */
void handlers_end(struct server *server, int signal_number);

/* Signals those that could not be signalled when they should have been (server->signals_owed). */
void handlers_signal_owed(struct server *server);

#endif
