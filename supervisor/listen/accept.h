/*
 * accept.h - from the kernel's backlog into the queue: when clients are accepted, and when they are
 * left where they are.
 */
#ifndef SUPERVISOR_LISTEN_ACCEPT_H
#define SUPERVISOR_LISTEN_ACCEPT_H

#include "supervisor/server/server.h"

enum { ACCEPT_BATCH = 64 /* clients accepted before other events get their turn */ };

/* Begins to listen for clients.  Returns 0, or -1 with errno. */
int accept_open(struct server *server, struct listeners *listeners);

/* Goes back to listening, if that was left for want of room and there is some now. */
void accept_resume(struct server *server);

/* Whether somebody is in the kernel's backlog who cannot be taken yet.  If nobody is after all, the
 * listeners will tell when somebody comes. */
bool accept_backlog_waits(struct server *server);

/* Leaves everybody in the backlog until accept_resume(). */
void accept_hold(struct server *server);

/* Accepts nobody but those who are in the backlog now, as there is room for them. */
void accept_drain(struct server *server);

/* Likewise of the retired listeners only: those that the process before this one had, and this one
 * does not want. */
void accept_retire(struct server *server);

/* Accepts nobody any more. */
void accept_stop(struct server *server);

/* Whether nobody can come any more, as others have shut down what listeners there were. */
bool accept_is_deaf(const struct server *server);

/* Whether all listeners are closed. */
bool accept_has_ended(const struct server *server);

/* When to try again what no event will announce; 0: nothing.  That is at once if room has been
 * made since accept_resume(), by those who were refused. */
uint64_t accept_next_attempt(struct server *server);

#endif
