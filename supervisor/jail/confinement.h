/*
 * confinement.h - the supervisor gives up all that it does not need to serve.
 *
 * Started as root, it moves into an empty directory that is nowhere any more, and becomes another
 * user, unless it was told to stay root, without capabilities; whoever started it, it cannot gain
 * privileges, and makes no system calls but those of filter.h.
 */
#ifndef SUPERVISOR_JAIL_CONFINEMENT_H
#define SUPERVISOR_JAIL_CONFINEMENT_H

#include "supervisor/options/identity.h"

/* Whether this process is to become somebody else: it is root's. */
bool confinement_changes_user(void);

/* All of it, for good; `identity` is used if confinement_changes_user().  To be called when all has
 * been opened that will be needed.  Returns 0, or -1 after logging what could not be given up; the
 * process must end then. */
int confinement_enter(const struct identity *identity);

#endif
