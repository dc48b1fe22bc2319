/*
 * file.h - reads a whole file of the operator.
 */
#ifndef SUPERVISOR_BASE_FILE_H
#define SUPERVISOR_BASE_FILE_H

#include <stddef.h>

enum { FILE_ERROR_MAXIMUM = 128 };

/* Returns the content of a regular file of `most` bytes at most, which the caller frees; or NULL
 * with a reason in `error`.  Waits only for the file system. */
char *file_read(const char *path, size_t most, size_t *length, char error[FILE_ERROR_MAXIMUM]);

/* Does the same for a memory file that is sealed against changes (memfd_create(2)), without
 * waiting.  Refuses any other file. */
char *file_read_sealed(int descriptor, size_t most, size_t *length, char error[FILE_ERROR_MAXIMUM]);

#endif
