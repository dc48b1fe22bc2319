/*
 * rollcall.h - a supervisor takes the place of one that was killed: it has the same descriptors and
 * the same books (state.h, struct lasting), and finds out what happened in between.
 *
 *   1. It closes what only its predecessor used.  A connected client that no record mentions is a
 *      stray: it was received and not yet recorded.
 *   2. It calls the roll of the dispatchers (dispatcher/protocol.h), and has the keeper repeat its
 *      reports (keeper/link.h).  The answers, the ledgers and the records decide about each client
 *      that was being started or had a handler.  A stray may be one that was given back.
 *   3. The other strays are new clients.  No client is accepted before that: it came later.
 *
 * The first step looks at every descriptor and every record, in one go: some 30 ms with 19,000
 * waiting clients.  Slices would end no wait sooner, because nobody can be served before all
 * records are known.  Meanwhile no request of an operator is lost: it waits in its socket's
 * backlog.  What can wait until the service goes on is done in slices: the watch of clients that
 * wait (queue_judge()).
 */
#ifndef SUPERVISOR_SERVER_ROLLCALL_H
#define SUPERVISOR_SERVER_ROLLCALL_H

#include "supervisor/keeper/state.h"
#include "supervisor/listen/listener.h"
#include "supervisor/server/state.h"

/* To be called first.  If this is the second time in a row that a supervisor died of a fault while
 * it dealt with a certain client, keeps that client from causing a third one: clients_disarm(). */
void rollcall_disarm(struct server *server);

/* Closes what the predecessor used, before anything is opened, and collects strays.  `link` stays
 * open.  Returns 0, or -1 with errno. */
int rollcall_sort(struct server *server, struct listeners *listeners, int link);

/* To be called before that in another pair than the records are of: none of their descriptors is
 * left.  The ledgers of `keeper` tell which clients have a handler nevertheless; their
 * dispatchers are dead. */
void rollcall_forget(struct server *server, const struct keeper *keeper);

/* Calls the roll, once the rooms are open.  Returns 0, or -1 with errno, and nothing that the next
 * supervisor needs is lost. */
int rollcall_begin(struct server *server);

/* To be called in each round, before clients are accepted and started: lets strays in once all have
 * answered. */
void rollcall_advance(struct server *server);

#endif
