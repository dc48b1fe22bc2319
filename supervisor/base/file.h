/*
 * file.h - reads a whole file of the operator, and locks the name of a file.
 *
 * Under the lock, daemons put a file into place and remove it, if several daemons may want the same
 * name.  A user who can open a file can lock it and keep the lock.  So the lock is on a file of its
 * own, ".NAME.lock" beside the file NAME, which belongs to our user and which no other user can
 * open.  It ends with the process, however that ends, and exists only while a process uses it.
 *
 * A process can also hold the name for life.  That is a second lock, on another byte of the same
 * file.  Several processes may share it: a daemon and the one that takes over from it.
 */
#ifndef SUPERVISOR_BASE_FILE_H
#define SUPERVISOR_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

enum {
    FILE_ERROR_MAXIMUM = 128,
    FILE_LOCK_WAIT = 1000 /* milliseconds; the usual bound */
};

/* Returns the content of a regular file of `most` bytes at most, with a NUL behind it; or NULL with
 * a reason in `error`.  The caller frees the content.  Waits only for the file system. */
char *file_read(const char *path, size_t most, size_t *length, char error[FILE_ERROR_MAXIMUM]);

/* Does the same for a memory file that is sealed against changes (memfd_create(2)), without
 * waiting.  Refuses any other file. */
char *file_read_sealed(int descriptor, size_t most, size_t *length, char error[FILE_ERROR_MAXIMUM]);

/* Seals a memory file against all changes.  Returns 0, or -1 with errno. */
int file_seal(int memory);

/* Returns true if a file is so sealed. */
bool file_is_sealed(int descriptor);

/* Opens the directory of `path` (O_PATH), close-on-exec.  Sets *name to the file's name, a part of
 * `path`.  Returns the descriptor, which the caller closes, or -1 with errno: EISDIR if `path`
 * names a directory. */
int file_open_directory(const char *path, const char **name);

/* Looks whether this process may make files in the directory of `path`, without making one. Returns
 * 0, or -1 with errno. */
int file_check_directory(const char *path);

/* Locks a name in a directory, and waits for that up to `milliseconds`.  Returns the lock, a
 * descriptor that is close-on-exec; or -1 with errno: EAGAIN if another process has kept it, EPERM
 * if the lock file is one that another user could open. */
int file_lock(int directory, const char *name, unsigned milliseconds);

/* Unlocks the name, closes the lock, and removes its file unless another process holds the name.
 * Does nothing if `lock` is -1. */
void file_unlock(int directory, const char *name, int lock);

/* Returns true if another process, or another lock of ours, holds the name for life. */
bool file_is_held(int lock);

/* Holds the name until the descriptor is closed, and unlocks it.  Returns 0, or -1 with errno. */
int file_hold(int lock);

#endif
