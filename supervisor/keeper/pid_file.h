/*
 * pid_file.h - a file with the number of this process, whose name this process holds for life.
 *
 * Every user may read the file, so every user could lock it.  The lock is on another file, which
 * other users cannot open (file.h).  A file whose name no process holds belongs to a dead daemon,
 * whatever number it holds, and is replaced.  The file is written under a temporary name;
 * files_publish() puts it into its place, so nobody sees half a file.  It is removed on exit.
 */
#ifndef SUPERVISOR_KEEPER_PID_FILE_H
#define SUPERVISOR_KEEPER_PID_FILE_H

#include "supervisor/keeper/files.h"

#include <stdbool.h>
#include <sys/types.h>

/* Writes the file, adds it to `files`, and holds its name in `files` until files_remove().  A
 * living process that holds the name is `replaced` if the file names that process; 0: none is.  For
 * any other, this tries again for 2 s (backoff.h) and then fails.  Waits another second at most for
 * the lock of the name; without it, goes on after a warning.  Returns 0, or -1 after logging why.
 */
int pid_file_open(const char *path, pid_t replaced, struct files *files);

/* Looks whether the file could be made, without making one.  A living process may hold the name.
 * Returns false after logging why not. */
bool pid_file_check(const char *path);

#endif
