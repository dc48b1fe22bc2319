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

/* Writes the file and gives it to the janitor, which must not have been started yet.  A living
 * process that has locked the file is `replaced` if the file names that process; 0: none is.  For
 * any other, this tries again for 2 s (retry.h) and then fails.  Waits another second at most for
 * the lock of the directory.  Returns the locked descriptor, which is close-on-exec and to be kept
 * open for life; or -1 after logging why. */
int pid_file_open(const char *path, pid_t replaced, struct janitor *janitor);

#endif
