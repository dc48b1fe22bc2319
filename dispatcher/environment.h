/*
 * environment.h - the environment of a handler: the daemon's, without variables meant for the
 * daemon or for an earlier connection, plus the variables of this connection.
 *
 * environment_prepare() allocates once; environment_for() allocates nothing.
 */
#ifndef DISPATCHER_ENVIRONMENT_H
#define DISPATCHER_ENVIRONMENT_H

#include "dispatcher/protocol.h"

#include <stdbool.h>
#include <stddef.h>

/* Removes from this process's environment what handlers must not inherit; from then on the
 * environment must stay.  With `bare`, handlers get no variables of their connection.  Returns 0,
 * or -1 with errno. */
int environment_prepare(bool bare);

/* Returns the environment for the handler of `client`; valid until the next call for the same
 * slot. */
char **environment_for(const struct message_start *start, int client);

/* Bytes of the longest block. */
enum { ENVIRONMENT_BLOCK = 1536 };

/* Writes the variables of a client's connection for a worker, each ended by a NUL; without any, a
 * NUL.  Returns the number of bytes. */
size_t environment_block(const struct message_start *start, int client,
                         char block[ENVIRONMENT_BLOCK]);

/* Returns the longest environment that a handler can have with such clients.  environment_for()
 * overwrites it. */
char **environment_longest(const struct setup_clients *clients);

/* Returns the bytes of an environment that count against the kernel's limit (execve(2)). */
size_t environment_size(char *const *environment);

#endif
