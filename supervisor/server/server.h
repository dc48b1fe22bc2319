/*
 * server.h - the service as a whole: opens the rooms, and runs the round.
 */
#ifndef SUPERVISOR_SERVER_SERVER_H
#define SUPERVISOR_SERVER_SERVER_H

#include "supervisor/keeper/launch.h"
#include "supervisor/listen/listener.h"
#include "supervisor/options/options.h"

#include <stdint.h>
#include <sys/types.h>

struct server;

/* Opens all that requires privileges, except listeners and policy, which are open already: rooms,
 * operators' sockets, dispatchers.  `options` and `listeners` must stay; the operator may change
 * options.  `limit` is the limit on descriptors of this process.  Besides root, `user` may steer
 * the service over the control socket.  Returns 0, or -1 after logging why. */
int server_open(struct server *server, struct options *options, struct listeners *listeners,
                struct launch *launch, uint32_t limit, uid_t user);

/* Counts the descriptors of this process, except --ready-fd.  Call it once all are open that stay
 * open. */
void server_count_descriptors(struct server *server);

/* Serves until a signal ends the service, or until it cannot go on.  Then no handler is left,
 * except those that could not be killed. */
void server_run(struct server *server);

/* Removes the files of the service.  Returns the exit status; but if SIGINT ended the service, dies
 * of SIGINT. */
int server_end(const struct server *server);

#endif
