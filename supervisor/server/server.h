/*
 * server.h - the service as a whole: opens the rooms, and runs the round.
 */
#ifndef SUPERVISOR_SERVER_SERVER_H
#define SUPERVISOR_SERVER_SERVER_H

#include "supervisor/keeper/keeper.h"
#include "supervisor/listen/listener.h"
#include "supervisor/options/options.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct server;

/* Opens the rooms, and waits until the dispatchers that the keeper has started are ready; or, if an
 * earlier supervisor has served, takes its place.  `lasting`, `gates`, policy and listening sockets
 * are open already.  `listeners` and `keeper` must stay.  `link` leads to the keeper.  Besides
 * root, `user` may steer the service over the control socket.  Returns 0, or -1 after logging why.
 */
int server_open(struct server *server, struct listeners *listeners, const struct keeper *keeper,
                int link, uid_t user);

/* Counts the descriptors of this process, except --ready-fd.  Call it once all are open that stay
 * open. */
void server_count_descriptors(struct server *server);

/* Serves until a signal ends the service, or until it cannot go on.  Then no handler is left,
 * except those that could not be killed. */
void server_run(struct server *server);

/* Returns the exit status; but if SIGINT ended the service, dies of SIGINT. */
int server_end(const struct server *server);

#endif
