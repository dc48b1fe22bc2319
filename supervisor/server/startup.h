/*
 * startup.h - from the command line to a service: opens everything with the privileges of the
 * start, starts dispatchers and supervisor, and becomes the keeper.
 */
#ifndef SUPERVISOR_SERVER_STARTUP_H
#define SUPERVISOR_SERVER_STARTUP_H

#include "supervisor/options/options.h"

/* Serves until the service has ended.  Logs what goes wrong.  Returns the exit status; the operator
 * may change `options` meanwhile. */
int startup(struct options *options);

#endif
