/*
 * setup.h - takes on the process state that struct setup of protocol.h asks for.
 *
 * What handlers inherit without harm to a dispatcher, and what takes privileges, it takes on
 * itself, once: then it has no use for privileges any more, and gives them up.  What would harm it
 * is done in each handler, by setup_descriptors() and setup_limits().
 */
#ifndef DISPATCHER_SETUP_H
#define DISPATCHER_SETUP_H

#include "dispatcher/protocol.h"

/* Receives it.  Exits if it is not what protocol.h says. */
const struct setup *setup_read(void);

/* All that is done once.  Exits with status 1 after logging what could not be done, with the option
 * that asks for it. */
void setup_apply(const struct setup *setup);

/* As root, from now on this process has no capability in effect but to signal handlers that have
 * become somebody else. */
void setup_rest(void);

/* Until it is called again, all are in effect that were before.  Only makes a system call, and
 * changes no memory, not even errno, so that a child in this memory can do it, too.  Returns 1, 0
 * if there was nothing to be done, or a negative errno. */
long setup_wake(void);

/* What is left to be done in the process of a handler, before its exec.  Likewise only system
 * calls. Return 0, or a negative errno.
 *
 * Has the client on descriptors 0 and 1, standard error where it is to be, and besides only
 * PROTOCOL_SOCKET open, which is close-on-exec: */
long setup_descriptors(const struct setup *setup, int client);

/* Limits and nice value, which may be done again if it takes setup_wake(): */
long setup_limits(const struct setup *setup);

/* The directory in which a file lies that can be asked for, open, and its name there.  Returns -1
 * with errno ENOENT if there is no such file in the setup. */
int setup_file(const struct setup *setup, enum protocol_file file, const char **name);

#endif
