/*
 * directory.h - the directory of a file, held open, and the lock under which files in it that
 * several daemons may want are put into place and removed.
 *
 * The lock is flock(2) on the directory itself.  It belongs to the open file description, so it
 * ends with the process in whatever way that ends.  Everybody who may read the directory can take
 * it, and keep it: so it is waited for only so long.
 */
#ifndef SUPERVISOR_BASE_DIRECTORY_H
#define SUPERVISOR_BASE_DIRECTORY_H

#include <stdbool.h>

enum { DIRECTORY_LOCK_WAIT = 1000 /* milliseconds, for those who have no reason to choose */ };

/* Opens the directory that `path` is in, close-on-exec, and for reading where that is permitted;
 * where it is not, it cannot be locked.  Gives the file's name there, which lies within `path`.
 * Returns the descriptor, the caller's to close, or -1 with errno; EISDIR if `path` names no file
 * but a directory. */
int directory_open(const char *path, const char **name);

/* Waits so many milliseconds at most.  Returns whether it is ours; if not, errno is set. */
bool directory_lock(int directory, unsigned milliseconds);

void directory_unlock(int directory);

#endif
