/*
 * operator.h - answers the operator on the control socket, and scrapers on the metrics port.
 */
#ifndef SUPERVISOR_SERVER_OPERATOR_H
#define SUPERVISOR_SERVER_OPERATOR_H

#include "supervisor/server/state.h"

/* Opens the sockets of --control and --metrics, if given, and serves them from now on.  Only root
 * and `user` may use the control socket.  Returns 0, or -1 after logging why. */
int operator_open(struct server *server, uid_t user);

/* Closes both sockets and their connections. */
void operator_close(struct server *server);

#endif
