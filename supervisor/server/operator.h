/*
 * operator.h - the operator's sockets: commands over the control socket, and GETs over both it and
 * the metrics port.
 *
 * An answer that begins with "error: " is an error, and nothing was changed.
 */
#ifndef SUPERVISOR_SERVER_OPERATOR_H
#define SUPERVISOR_SERVER_OPERATOR_H

#include "supervisor/server/state.h"

/* Opens the sockets of --control and --metrics, if given, with the privileges of the start; adds
 * the files to be removed on exit.  Only root and `user` may use the control socket.  Returns false
 * after logging why. */
bool operator_listen(struct server *server, struct files *files, uid_t user);

/* Serves these sockets from now on.  Returns 0, or -1 after logging why. */
int operator_open(struct server *server, uid_t user);

/* Does what a request asks for, and fills in the answer; `context` is the server. */
void operator_answer(void *context, const struct control_request *request,
                     struct control_answer *answer);

/* Sets what operators had set in the old process of a takeover, unless the command line of this one
 * says otherwise. */
void operator_inherit(struct server *server);

/* Closes both sockets and their connections. */
void operator_close(struct server *server);

#endif
