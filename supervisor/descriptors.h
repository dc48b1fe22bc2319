/*
 * descriptors.h - which descriptors this process has, and how many it may have.
 */
#ifndef SUPERVISOR_DESCRIPTORS_H
#define SUPERVISOR_DESCRIPTORS_H

#include <stdint.h>
#include <sys/resource.h>

/* To be called before anything else is opened.  Makes sure that
 *   - 0 and 1 are /dev/null, and 2 is, too, if it was closed;
 *   - no others are open that were so by chance, nor leak into handlers;
 *   - the numbers that a dispatcher finds its descriptors at (protocol.h) are taken, so that
 *     putting those in place in a new process cannot overwrite anything there.
 * `*kept`, if not -1, is a descriptor the operator gave us; it is moved out of the way, so that
 * closing it leaves none of these numbers open to be taken by a client.
 * Returns 0, or -1 after logging why not. */
int descriptors_prepare(int *kept);

/* Raises the limit on open descriptors as far as is allowed; *original is what handlers get.
 * Returns the limit now in force. */
uint32_t descriptors_raise(struct rlimit *original);

/* How many descriptors are open; all are below `limit`. */
uint32_t descriptors_used(uint32_t limit);

#endif
