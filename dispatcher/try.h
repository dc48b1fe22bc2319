/*
 * try.h - the role `try` of protocol.h: finds the handler's executable and tries it, before the
 * service starts.
 */
#ifndef DISPATCHER_TRY_H
#define DISPATCHER_TRY_H

#include "dispatcher/spawn.h"

/* The exit statuses of shells for a command that cannot be executed. */
enum { TRY_NOT_EXECUTABLE = 126, TRY_NOT_FOUND = 127 };

/* Looks the command up as execvp(3) does and sends its path to the keeper.  Then executes it in
 * a traced child, which is stopped before its first instruction and killed: this shows a missing
 * interpreter, for instance.  environment_prepare() must have succeeded.
 *
 * Returns 0, or one of the statuses above after logging an error.  A status above says that no
 * handler can ever start: the file, its interpreter or a limit of --limit prevents it; or that the
 * handler of some client could not, because of the variables that it gets.  Every other fault, such
 * as a forbidden tracer, is only a warning. */
int try_command(const struct spawn_command *command);

#endif
