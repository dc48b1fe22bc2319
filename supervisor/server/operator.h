/*
 * operator.h - what the operator asks for over the control socket, and scrapers over HTTP.
 */
#ifndef SUPERVISOR_SERVER_OPERATOR_H
#define SUPERVISOR_SERVER_OPERATOR_H

#include "supervisor/server/state.h"

/* Opens the sockets of --control and --metrics, if there are any, and serves them from now on.
 * `user` may use the control socket, besides root.  Returns 0, or -1 after logging why not. */
int operator_open(struct server *server, uid_t user);

/* Closes them. */
void operator_close(struct server *server);

#endif
