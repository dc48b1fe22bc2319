/*
 * standby.h - the process that waits beside the supervisor, to start another one when it is killed.
 *
 * The standby clones the supervisor with CLONE_FILES (clone(2)): both have one table of
 * descriptors. When the supervisor is killed, all its descriptors stay open, and the memory that
 * both share stays as it was.  The standby clones another supervisor, which takes over both.  The
 * standby itself does nothing but wait.
 *
 * If a supervisor exits, the standby exits with the same status.  It starts another if that status
 * is STANDBY_AGAIN, or if the supervisor was killed; but not before the service has begun, or while
 * the service ends.
 *
 * A supervisor is useless if it dies within a second, before any handler has started.  The next one
 * begins after 10 ms, and each further one after twice that time, up to 5 s.
 */
#ifndef SUPERVISOR_KEEPER_STANDBY_H
#define SUPERVISOR_KEEPER_STANDBY_H

#include <stdbool.h>
#include <stdint.h>

/* Exit status of a supervisor, or a standby, that could not begin in the place of an earlier one.
 */
enum { STANDBY_AGAIN = 65 };

/* Shared with the supervisor. */
struct standby {
    bool begun;      /* clients are served: from now on a killed supervisor is replaced */
    bool ended;      /* the supervisor ends, in whatever way */
    int exit_status; /* that it means to end with then; should it be killed, the standby takes it */
    int32_t process; /* the supervisor; the kernel writes it at clone, so the keeper knows each */
    int killed_by;   /* the signal that the last supervisor died of; 0: none has died */
    uint64_t served; /* grows whenever a handler starts: a supervisor before was of use */
    uint64_t began;  /* the supervisor, by the loop's clock; `served` was this: */
    uint64_t served_before;
    uint32_t useless; /* supervisors in a row that died before they were of use */
};

/* Returns true if the last supervisors, two at least, were useless, and the present one has not
 * done better yet.  Then the service counts as not serving. */
bool standby_is_failing(const struct standby *standby, uint64_t now);

/* Returns when that ends although no handler starts; 0: it is not so. */
uint64_t standby_recovers_at(const struct standby *standby);

/* Grows the table of descriptors once, up to this number: later, each time would take milliseconds,
 * because the table is shared (kernel/file.c, expand_fdtable()). */
void standby_grow(uint32_t descriptors);

/* Clones supervisors, until one exits; or until one after the other is useless, and the parent of
 * this process, the keeper, is dead: then nobody could end it.  `supervise` runs in each, and
 * returns an exit status. */
_Noreturn void standby_run(struct standby *standby, int (*supervise)(void *context), void *context);

#endif
