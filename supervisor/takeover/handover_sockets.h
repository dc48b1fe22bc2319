/*
 * handover_sockets.h - which sockets are handed over: the listeners that clients come from, and
 * those of --control and --metrics.
 */
#ifndef SUPERVISOR_TAKEOVER_HANDOVER_SOCKETS_H
#define SUPERVISOR_TAKEOVER_HANDOVER_SOCKETS_H

#include "supervisor/server/state.h"

/* What keeps them from being handed over now, in words; NULL: nothing. */
const char *handover_sockets_obstacle(const struct server *server);

/* Sends HELLO and each LISTENER.  Returns 0, or -1 with errno. */
int handover_sockets_send(struct server *server);

/* From ALL on the other one may find that this process is dead, and serve: the files of all that
 * are handed over are to stay then. */
void handover_sockets_lend(struct server *server);

/* It has kept these, as of READY, and removes their files when it ends; 0: it does not serve.  The
 * others are this process' again. */
void handover_sockets_return(struct server *server, uint64_t used);

#endif
