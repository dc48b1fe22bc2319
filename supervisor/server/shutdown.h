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

#include "supervisor/server/state.h"

/* Opens the module. */
void shutdown_open(struct server *server);

/* Goes on with what an earlier supervisor has begun. */
void shutdown_resume(struct server *server);

/* Takes SIGTERM or SIGINT. */
void shutdown_signal(struct server *server, int signal_number);

/* Begins to drain, as the first SIGTERM does, unless the service ends already. */
void shutdown_drain(struct server *server);

/* Closes all waiting clients, in slices; or counts them as handed over, if they were. */
void shutdown_clear_queue(struct server *server);

/* The new process ends the service: sends our handlers this signal. */
void shutdown_end(void *context, int signal_number);

/* The standby is dead: ends this process, so that the keeper starts another pair, once no client
 * waits.  The next pair has none of our descriptors, so this waits for handlers whose connections
 * we keep as well, for a minute. */
void shutdown_renew(struct server *server);

/* To be called after each round: ends the service once nothing is awaited any more. */
void shutdown_advance(struct server *server);

#endif
