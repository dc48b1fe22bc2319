/*
 * confinement.h - the standby, and so each supervisor that it clones, gives up all rights that
 * serving does not require.
 *
 * Started as root, it makes an empty, deleted directory its root and becomes another user without
 * capabilities, or stays root without capabilities if the operator says so.  Started by any user,
 * it can gain no privileges.  The supervisor also installs the filter of filter.h.
 */
#ifndef SUPERVISOR_JAIL_CONFINEMENT_H
#define SUPERVISOR_JAIL_CONFINEMENT_H

#include "supervisor/options/identity.h"

/* Gives everything up for good.  Call it when all files and sockets are open.  The
 * process becomes the user of `identity`; NULL: it keeps its user and root.  Returns 0, or -1 after
 * logging why: then the process must end. */
int confinement_enter(const struct identity *identity);

#endif
