/*
 * manager.h - what a service manager is told of the service: that it serves, how it stands, and
 * that it lives.  Costs nothing where there is no manager that listens.
 */
#ifndef SUPERVISOR_SERVER_MANAGER_H
#define SUPERVISOR_SERVER_MANAGER_H

#include "supervisor/server/state.h"

/* The service begins. */
void manager_begin(struct server *server);

/* To be called after each round of events: tells how it stands, if that has changed. */
void manager_look(struct server *server);

#endif
