/*
 * file.h - the operator's files, read as a whole.
 */
#ifndef SUPERVISOR_BASE_FILE_H
#define SUPERVISOR_BASE_FILE_H

#include <stddef.h>

enum { FILE_ERROR_MAXIMUM = 128 };

/* The content of a regular file of `most` bytes at most; the caller's to free.  Returns NULL, with
 * a sentence in `error`, if it cannot be had.  Does not wait for anything but the file system. */
char *file_read(const char *path, size_t most, size_t *length, char error[FILE_ERROR_MAXIMUM]);

/* The same from a memory file that is sealed against changes (memfd_create(2)): reading it does not
 * wait.  Any other is refused. */
char *file_read_sealed(int descriptor, size_t most, size_t *length, char error[FILE_ERROR_MAXIMUM]);

#endif
