/*
 * directory.h - opens the directory of a file, and locks it.
 *
 * Under the lock, daemons put files into place and remove them, if several daemons may want the
 * same name.  The lock is flock(2) on the directory itself: it ends with the process, however that
 * ends.  Any user who may read the directory can take the lock and keep it, so waiting for it is
 * bounded.
 */
#ifndef SUPERVISOR_BASE_DIRECTORY_H
#define SUPERVISOR_BASE_DIRECTORY_H

#include <stdbool.h>

enum { DIRECTORY_LOCK_WAIT = 1000 /* milliseconds; the usual bound */ };

/* Opens the directory of `path`, close-on-exec.  Without the right to read it, it cannot be locked.
 * Sets *name to the file's name, a part of `path`.  Returns the descriptor, which the caller
 * closes, or -1 with errno: EISDIR if `path` names a directory. */
int directory_open(const char *path, const char **name);

/* Waits for the lock up to `milliseconds`.  Returns true if it was taken, or false with errno. */
bool directory_lock(int directory, unsigned milliseconds);

void directory_unlock(int directory);

#endif
