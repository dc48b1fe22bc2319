/*
 * shutdown.h - the end of the service, stage by stage (enum server_stage).
 *
 *     SIGTERM            drain; after --drain-timeout terminate; 5 s later kill
 *     SIGTERM again      kill
 *     SIGINT             terminate, and wait for the handlers
 *     SIGINT again       kill
 */
#ifndef SUPERVISOR_SERVER_SHUTDOWN_H
#define SUPERVISOR_SERVER_SHUTDOWN_H

#include "supervisor/server/server.h"

/* Sets up what the other functions need. */
void shutdown_open(struct server *server);

/* SIGTERM or SIGINT has come. */
void shutdown_signal(struct server *server, int signal_number);

/* Begins to drain, as the first SIGTERM does, if the service does not end already. */
void shutdown_drain(struct server *server);

/* The process that serves in our place ends, and our handlers are to be sent this signal. */
void shutdown_end(struct server *server, int signal_number);

/* All dispatchers are dead: ends the service at once, and says so. */
void shutdown_lost(struct server *server);

/* Whether all that had to be waited for is over. */
bool shutdown_is_complete(const struct server *server);

#endif
