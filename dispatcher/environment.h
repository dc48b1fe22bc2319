/*
 * environment.h - the environment of a handler: what the daemon was started with, less the
 * variables that speak to the daemon itself or to a connection before it, plus those of this one.
 *
 * Prepared once; then a handler's is filled in without allocation.
 */
#ifndef DISPATCHER_ENVIRONMENT_H
#define DISPATCHER_ENVIRONMENT_H

#include "dispatcher/protocol.h"

#include <stdbool.h>

/* Takes the variables worth keeping from `inherited`, whose strings must stay; with `bare`, those
 * of the connection are not added.  Returns 0, or -1 with errno. */
int environment_prepare(char *const *inherited, bool bare);

/* The environment for the handler of one connection, whose descriptor is `client`; valid until the
 * next call for the same slot. */
char **environment_for(const struct message_start *start, int client);

#endif
