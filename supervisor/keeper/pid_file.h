/*
 * pid_file.h - a file that holds the number of this process, and is locked as long as it lives.
 *
 * The lock is flock(2), on a file that nobody else could open before; so the file of a daemon that
 * is dead is known by not being locked, and is replaced, whatever number it holds.  It is written
 * under another name, and put into its place by janitor_publish(), so that it is never seen half
 * written; the janitor removes it in the end.
 */
#ifndef SUPERVISOR_KEEPER_PID_FILE_H
#define SUPERVISOR_KEEPER_PID_FILE_H

#include "supervisor/keeper/janitor.h"

#include <sys/types.h>

/* Writes it, and gives it to the janitor, which must not have been started yet.  If a living
 * process has locked the file that is there, this fails, unless that is `replaced`, as the file
 * itself says; 0: nobody.  Waits a second
 * at most, for others that do the same in that directory.  Returns the descriptor that has the
 * lock: it is close-on-exec and to be kept open for life.  Or -1 after logging why not. */
int pid_file_open(const char *path, pid_t replaced, struct janitor *janitor);

#endif
