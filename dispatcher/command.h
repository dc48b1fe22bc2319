/*
 * command.h - finds the handler's executable, and finds out whether it can be executed, in the
 * process state that handlers will have.
 */
#ifndef DISPATCHER_COMMAND_H
#define DISPATCHER_COMMAND_H

#include "dispatcher/spawn.h"

#include <limits.h>

enum { COMMAND_NOT_EXECUTABLE = 126, COMMAND_NOT_FOUND = 127 };

/* Looks `name` up as execvp(3) does: with a slash it is a path, else it is searched for in PATH.
 * Returns 0 and the path, or after logging why not one of the statuses above, as shells use them.
 */
int command_find(const char *name, char path[PATH_MAX]);

/* Executes the command in a child that is stopped before its first instruction, and ended: so what
 * a look at its file does not show, such as an interpreter that is not there, shows now and not
 * with the first client.  Where no child can be traced, that has to do.  Returns 0, or after
 * logging why not one of the statuses above. */
int command_try(const struct spawn_command *command);

#endif
