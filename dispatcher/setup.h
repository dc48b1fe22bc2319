/*
 * setup.h - puts struct setup of protocol.h into effect.
 *
 * The dispatcher itself takes on, once, all process state that requires privileges or does a
 * dispatcher no harm; handlers inherit it.  Then it gives its privileges up.  Each handler does the
 * rest for itself, with the last three functions.
 */
#ifndef DISPATCHER_SETUP_H
#define DISPATCHER_SETUP_H

#include "dispatcher/protocol.h"

/* Maps the setup, and closes its file.  Exits after logging why if it violates protocol.h. */
const struct setup *setup_map(void);

/* Takes on the process state.  If that fails, exits with status 1 after logging which option
 * failed. */
void setup_apply(const struct setup *setup);

/* As root, takes all capabilities out of effect except CAP_KILL, which signals handlers that have
 * changed their user.  privileges_wake() undoes it. */
void setup_rest(void);

/* The next three run in a handler before its exec.  They only make system calls.  They return 0, or
 * a negative errno.
 *
 * Puts the client on descriptors 0 and 1, and standard error in its place; of a worker, `client` is
 * the socket, and goes only to 0.  Closes all others except PROTOCOL_SOCKET, which is
 * close-on-exec. */
long setup_descriptors(const struct setup *setup, int client);

/* Gives the dispatchers' user up.  If the handlers' user has more processes than RLIMIT_NPROC
 * allows now and at the exec, the exec fails with EAGAIN (execve(2)).  So this precedes
 * setup_limits(): the limit for handlers is for what they start. */
long setup_user(const struct setup *setup);

/* Sets limits and nice value; may be repeated. */
long setup_limits(const struct setup *setup);

#endif
