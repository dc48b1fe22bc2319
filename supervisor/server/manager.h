/*
 * manager.h - has the keeper tell a service manager that the service is ready, lives, and how many
 * clients wait.  Costs nothing without a manager.
 */
#ifndef SUPERVISOR_SERVER_MANAGER_H
#define SUPERVISOR_SERVER_MANAGER_H

#include "supervisor/keeper/notify.h"
#include "supervisor/server/state.h"

/* Takes note of the manager that the keeper has found. */
void manager_open(struct server *server, const struct notify *notify);

/* Tells the manager that the service is ready. */
void manager_begin(struct server *server);

/* Tells the manager, once, that the service ends. */
void manager_stopping(struct server *server);

/* Tells the manager that files are being read again, or have been, unless the service ends. */
void manager_reload(struct server *server, enum notify_state state);

/* Sends a new status, once a second at most, if the counts have changed; called after each round of
 * events. */
void manager_look(struct server *server);

#endif
