/*
 * signalling.h - signals to handlers, which this process may not send: dispatchers do.
 *
 * A handler is signalled with its whole process group.  As long as it is a child of its dispatcher,
 * that knows whether it still lives; once it is a child of ours, we reap nobody until the signal
 * has been sent.  So a process id is never signalled after it was reaped.
 */
#ifndef SUPERVISOR_RUNNING_SIGNALLING_H
#define SUPERVISOR_RUNNING_SIGNALLING_H

#include "supervisor/server/server.h"

/* Sends a running client's handler what it is to get and has not been sent: its own signal or that
 * of the end of the service, whichever is the stronger. */
void signalling_look(struct server *server, struct client *client);

/* From now on the process group of each handler, whether it runs already or is only on its way,
 * gets this signal. */
void signalling_end(struct server *server, int signal_number);

/* A dispatcher is dead: signals those of its children, if all are to be, whose exec has not come
 * back. */
void signalling_left(struct server *server);

/* Whether it is to get one, or has: it was told to end. */
bool signalling_is_due(const struct server *server, const struct client *client);

/* Signals those that could not be signalled when they should have been, once it is time
 * (server->signals_owed). */
void signalling_owed(struct server *server);

/* Signals those whose time is over. */
void signalling_expire(struct server *server);

/* Signals all handlers that are children of ours once more: of those that a dispatcher was to
 * signal which is dead now, it may have signalled none (server->unsignalled). */
void signalling_repeat(struct server *server);

/* Whether processes are left of the group of a handler that has ended: children of ours by now. One
 * that has a living parent outside of the group cannot be seen. */
bool signalling_group_is_left(const struct server *server, const struct client *client);

#endif
