/*
 * ending.h - how handlers end: as their dispatcher says, or as children of ours once that is dead.
 *
 * A handler that was told to end keeps its place until nothing is left of its process group.
 */
#ifndef SUPERVISOR_RUNNING_ENDING_H
#define SUPERVISOR_RUNNING_ENDING_H

#include "supervisor/server/server.h"

/* A dispatcher says that a handler has ended.  Returns false if it has no such handler. */
bool ending_exited(struct server *server, unsigned dispatcher,
                   const struct message_exited *message);

/* A handler has ended that is the child of a process before this one. */
void ending_foreign(struct server *server, struct client *client, const int *status);

/* The dispatcher of a running client is dead: its handler is our own child from now on, or it has
 * ended already. */
void ending_adopt(struct server *server, struct client *client);

/* The same for all clients of a dispatcher. */
void ending_adopt_all(struct server *server, unsigned dispatcher);

/* Whether a process is the handler of a running client, by what is known of it. */
bool ending_is_awaited(const struct server *server, pid_t process);

/* Reaps all children that have ended: dispatchers, handlers that were adopted from dead ones, and
 * whatever else a handler left behind.  While children are being signalled, only dispatchers are
 * (server->reaping_held). */
void ending_reap(struct server *server);

#endif
