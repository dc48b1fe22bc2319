/*
 * file.h - reads a whole file of the operator, and locks the directory of a file.
 *
 * Under the lock, daemons put files into place and remove them, if several daemons may want the
 * same name.  The lock is flock(2) on the directory itself: it ends with the process, however that
 * ends.  Any user who may read the directory can take the lock and keep it, so waiting for it is
 * bounded.
 */
#ifndef SUPERVISOR_BASE_FILE_H
#define SUPERVISOR_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

enum {
    FILE_ERROR_MAXIMUM = 128,
    FILE_LOCK_WAIT = 1000 /* milliseconds; the usual bound */
};

/* Returns the content of a regular file of `most` bytes at most, which the caller frees; or NULL
 * with a reason in `error`.  Waits only for the file system. */
char *file_read(const char *path, size_t most, size_t *length, char error[FILE_ERROR_MAXIMUM]);

/* Does the same for a memory file that is sealed against changes (memfd_create(2)), without
 * waiting.  Refuses any other file. */
char *file_read_sealed(int descriptor, size_t most, size_t *length, char error[FILE_ERROR_MAXIMUM]);

/* Seals a memory file against all changes.  Returns 0, or -1 with errno. */
int file_seal(int memory);

/* Returns true if a file is so sealed. */
bool file_is_sealed(int descriptor);

/* Opens the directory of `path`, close-on-exec.  Without the right to read it, it cannot be locked.
 * Sets *name to the file's name, a part of `path`.  Returns the descriptor, which the caller
 * closes, or -1 with errno: EISDIR if `path` names a directory. */
int file_open_directory(const char *path, const char **name);

/* Waits for the lock up to `milliseconds`.  Returns true if it was taken, or false with errno. */
bool file_lock_directory(int directory, unsigned milliseconds);

/* Does nothing if the lock was not taken. */
void file_unlock_directory(int directory);

#endif
