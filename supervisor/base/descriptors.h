/*
 * descriptors.h - the open descriptors of this process, and its limit on them.
 */
#ifndef SUPERVISOR_BASE_DESCRIPTORS_H
#define SUPERVISOR_BASE_DESCRIPTORS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

/* Puts the descriptors of a new process in order.  Call it before anything else is opened.
 *   - 0 and 1 become /dev/null; 2 does, too, if it was closed.
 *   - Stray descriptors are closed.
 *   - The numbers of protocol.h are filled: later, a new dispatcher's descriptors can be put there
 *     without overwriting others.
 * `kept` points to `count` descriptors that were passed to this process, each once; -1: none.  They
 * become close-on-exec and move above the numbers of protocol.h: otherwise, after one is closed, a
 * client could get such a number.
 * Returns 0, or -1 after logging why. */
int descriptors_prepare(int *const *kept, size_t count);

/* Raises the limit on open descriptors as far as allowed.  Sets *original to the old limit, which
 * handlers get.  Returns the new limit. */
uint32_t descriptors_raise(struct rlimit *original);

/* Closes all descriptors except 0 to 2 and those that `kept` points to, each once; -1: none.  A
 * stray descriptor might be a directory, which would lead out of the empty root.  Returns 0, or -1
 * with errno. */
int descriptors_close_others(int *const *kept, size_t count);

/* Returns the number of open descriptors; all are below `limit`.  The kernel assigns the lowest
 * free number, so after descriptors_prepare() there are no long gaps. */
uint32_t descriptors_used(uint32_t limit);

#endif
