/*
 * standby.h - the process that waits beside the supervisor, to start another one when it is killed.
 *
 * The standby clones the supervisor with CLONE_FILES (clone(2)): both have one table of
 * descriptors. When the supervisor is killed, all its descriptors stay open, and the memory that
 * both share stays as it was.  The standby clones another supervisor, which takes over both.  The
 * standby itself does nothing but wait.
 *
 * A supervisor that exits by itself ends the standby, with the same status, except STANDBY_AGAIN.
 */
#ifndef SUPERVISOR_KEEPER_STANDBY_H
#define SUPERVISOR_KEEPER_STANDBY_H

#include <stdbool.h>
#include <stdint.h>

/* Exit status of a supervisor that could not begin in the place of an earlier one. */
enum { STANDBY_AGAIN = 65 };

/* Shared with the supervisor. */
struct standby {
    bool begun;      /* clients are served: from now on a killed supervisor is replaced */
    bool ended;      /* the supervisor ends, in whatever way */
    int32_t process; /* the supervisor; the kernel writes it at clone, so the keeper knows each */
    int killed_by;   /* the signal that the last supervisor died of; 0: none has died */
    uint64_t served; /* grows whenever a handler starts: a supervisor before was of use */
};

/* Grows the table of descriptors once, up to this number: later, each time would take milliseconds,
 * because the table is shared (kernel/file.c, expand_fdtable()). */
void standby_grow(uint32_t descriptors);

/* Clones supervisors, until one exits.  `supervise` runs in each, and gets 0 in the first one; it
 * returns an exit status.  Supervisors that die within a second, before any handler starts, are
 * replaced with a growing delay, up to 5 s. */
_Noreturn void standby_run(struct standby *standby, int (*supervise)(void *context, unsigned life),
                           void *context);

#endif
