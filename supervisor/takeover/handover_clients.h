/*
 * handover_clients.h - who is handed over: those who have a handler, and those who wait.
 */
#ifndef SUPERVISOR_TAKEOVER_HANDOVER_CLIENTS_H
#define SUPERVISOR_TAKEOVER_HANDOVER_CLIENTS_H

#include "supervisor/server/state.h"

/* Begins to send them.  Returns whether that can go on. */
bool handover_clients_begin(struct server *server);

/* Sends as many as the other one takes now; the phase is HANDOVER_SENT once that was all.
 * Likewise. */
bool handover_clients_send(struct server *server);

/* They are the other one's: what is here are copies, which are closed. */
void handover_clients_end(struct server *server);

#endif
