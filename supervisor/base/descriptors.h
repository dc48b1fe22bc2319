/*
 * descriptors.h - which descriptors this process has, and how many it may have.
 */
#ifndef SUPERVISOR_BASE_DESCRIPTORS_H
#define SUPERVISOR_BASE_DESCRIPTORS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

/* To be called before anything else is opened.  Makes sure that
 *   - 0 and 1 are /dev/null, and 2 is, too, if it was closed;
 *   - no others are open that were so by chance, nor leak into handlers;
 *   - the numbers that a dispatcher finds its descriptors at (protocol.h) are taken, so that
 *     putting those in place in a new process cannot overwrite anything there.
 * Each of the `count` in `kept`, where that is not -1, is a descriptor that was given to us; none
 * is there twice.  They are moved out of the way, so that closing one leaves none of these numbers
 * open to be taken by a client, and are close-on-exec then. Returns 0, or -1 after logging why not.
 */
int descriptors_prepare(int *const *kept, size_t count);

/* Raises the limit on open descriptors as far as is allowed; *original is what handlers get.
 * Returns the limit now in force. */
uint32_t descriptors_raise(struct rlimit *original);

/* For a process that was forked: closes all but 0 to 2 and these, none of which is less than 3;
 * sorts them.  Returns 0, or -1 with errno. */
int descriptors_close_others(int *kept, unsigned count);

/* How many descriptors are open; all are below `limit`. */
uint32_t descriptors_used(uint32_t limit);

#endif
