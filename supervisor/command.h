/*
 * command.h - finds the handler's executable, before anything listens.
 */
#ifndef SUPERVISOR_COMMAND_H
#define SUPERVISOR_COMMAND_H

#include <limits.h>

enum { COMMAND_NOT_EXECUTABLE = 126, COMMAND_NOT_FOUND = 127 };

/* Looks `name` up as execvp(3) does: with a slash it is a path, else it is searched for in PATH.
 * Returns 0 and the path, or after logging why not one of the statuses above, as shells use them.
 */
int command_find(const char *name, char path[PATH_MAX]);

#endif
