/*
 * manager.h - tells a service manager that the service is ready, lives, and how many clients wait.
 * Costs nothing without a manager.
 */
#ifndef SUPERVISOR_SERVER_MANAGER_H
#define SUPERVISOR_SERVER_MANAGER_H

#include "supervisor/server/state.h"

/* Tells the manager that the service is ready. */
void manager_begin(struct server *server);

/* Sends a new STATUS= line if the counts have changed; called after each round of events. */
void manager_look(struct server *server);

#endif
