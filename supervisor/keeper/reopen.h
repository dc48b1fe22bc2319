/*
 * reopen.h - opens standard error again after a handler has shut it down (shutdown(2)).
 *
 * Handlers share the daemon's standard error.  If that is a stream socket, such as the journal's,
 * each handler can end it for everybody.  A socket that was connected to a path, or to an abstract
 * name, is connected to the same place again: at most once a second, and more and more rarely while
 * that does not last.  Pipes and TCP connections cannot be opened again.
 *
 * The supervisor gets the new socket by OPENED (link.h).  Dispatchers, and thus later handlers, get
 * it when they begin: so all dispatchers are replaced, one after the other.  Handlers that run keep
 * what they have.
 */
#ifndef SUPERVISOR_KEEPER_REOPEN_H
#define SUPERVISOR_KEEPER_REOPEN_H

#include "supervisor/keeper/state.h"

/* Takes note of where standard error leads.  Call it at the start. */
void reopen_prepare(struct reopen *reopen);

/* Adds the timers to the loop of the keeper. */
void reopen_run(struct keeper *keeper);

/* Opens standard error again if it is broken, now or when the next attempt is due, and reports it.
 * If it is not, only reports it: the supervisor may have missed it. */
void reopen_ask(struct keeper *keeper);

#endif
