/*
 * keeper.h - the privileged process, which the operator starts: it starts dispatchers and the
 * standby, watches them, and cleans up when all is over.
 *
 * The keeper is the parent of dispatchers and standby, and becomes the parent of processes that
 * handlers leave behind (prctl(2), PR_SET_CHILD_SUBREAPER).  The supervisor is a child of the
 * standby; if the standby dies, it becomes a child of the keeper.  The keeper does what the
 * supervisor may not do: link.h has the requests, and monitor.c the table of them.  The keeper
 * touches no connection, and reads nothing that a client sent.
 *
 * When both supervisor and standby are dead, the keeper starts another pair.  So it keeps copies of
 * the sockets that clients and operators connect to, of the supervisor's end of the link, and of
 * each ledger.
 *
 * As root it keeps only the capabilities that this requires; under no_new_privs it keeps the others
 * out of effect, for dispatchers.  It cannot be traced.
 */
#ifndef SUPERVISOR_KEEPER_KEEPER_H
#define SUPERVISOR_KEEPER_KEEPER_H

#include "supervisor/keeper/state.h"

/* Forks the standby, and starts the first dispatcher; keeper_run() starts the others.  All members
 * of `keeper` down to `reopen` are filled in already; signals are blocked.  Returns 0, or -1 after
 * logging why. */
int keeper_open(struct keeper *keeper, unsigned dispatchers);

/* Keeps the service until the supervisor has ended it, then ends everything else.  Returns the exit
 * status, or dies of the signal that the supervisor died of. */
int keeper_run(struct keeper *keeper);

/* Ends everything that keeper_open() started, if the start failed, and removes all files. */
int keeper_end(struct keeper *keeper);

#endif
