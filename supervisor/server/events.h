/*
 * events.h - what the rooms tell and ask: one table of callbacks for each, with the server as
 * context.
 */
#ifndef SUPERVISOR_SERVER_EVENTS_H
#define SUPERVISOR_SERVER_EVENTS_H

#include "supervisor/server/state.h"

struct accept_events events_of_acceptor(struct server *server);
struct queue_events events_of_queue(struct server *server);
struct running_events events_of_running(struct server *server);
struct takeover_events events_of_takeover(struct server *server);

#endif
