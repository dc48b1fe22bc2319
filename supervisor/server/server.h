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

/* Opens what the service needs besides its listeners and its policy, which are open already: all
 * that requires privileges included, and the dispatchers.  `options`, which may change, and
 * `listeners` must stay.  This process may have `limit` descriptors, and `user` may steer it over
 * the control socket, besides root.  Returns 0, or -1 after logging why not. */
int server_open(struct server *server, struct options *options, struct listeners *listeners,
                struct launch *launch, uint32_t limit, uid_t user);

/* Counts the descriptors of this process.  To be called when only --ready-fd is open that will be
 * closed soon. */
void server_count_descriptors(struct server *server);

/* Serves until a signal ends the service, or it cannot go on.  No handler is left then, unless it
 * could not be killed. */
void server_run(struct server *server);

/* Removes the files of the service.  Returns the status to exit with; or, if SIGINT ended the
 * service, dies of it. */
int server_end(const struct server *server);

#endif
