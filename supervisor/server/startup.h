/*
 * startup.h - from the command line to a service that serves.
 */
#ifndef SUPERVISOR_SERVER_STARTUP_H
#define SUPERVISOR_SERVER_STARTUP_H

#include "supervisor/options/options.h"

struct server;

/* Opens the service as `options` say, and gives up all privileges; `options` and `argv`, the
 * arguments of main(), must stay.  May wait: for files, for name look-ups, and for the process
 * that it replaces.  Returns EXIT_SUCCESS, or the status to exit with after logging why.
 */
int startup(struct server **server, struct options *options, char **argv);

#endif
