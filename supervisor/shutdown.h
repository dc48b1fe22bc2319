/*
 * shutdown.h - the end of the service, stage by stage (enum server_stage).
 *
 *     SIGTERM            drain; after --drain-timeout terminate; 5 s later kill
 *     SIGTERM again      kill
 *     SIGINT             terminate, and wait for the handlers
 *     SIGINT again       kill
 */
#ifndef SUPERVISOR_SHUTDOWN_H
#define SUPERVISOR_SHUTDOWN_H

#include "supervisor/server.h"

/* Sets up what the other functions need. */
void shutdown_open(struct server *server);

/* SIGTERM or SIGINT has come. */
void shutdown_signal(struct server *server, int signal_number);

/* A handler runs, or has become our child: it gets the signal that the others have been sent. */
void shutdown_handler(struct server *server, const struct client *client);

/* Whether the stage is such that nobody is started any more. */
bool shutdown_is_ending(const struct server *server);

/* Whether all that had to be waited for is over. */
bool shutdown_is_complete(const struct server *server);

#endif
