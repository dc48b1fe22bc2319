/*
 * waiting.h - who leaves the queue without having been served: turned away at once as too many
 * wait, refused after too long a wait, or gone.
 */
#ifndef SUPERVISOR_QUEUE_WAITING_H
#define SUPERVISOR_QUEUE_WAITING_H

#include "supervisor/server/server.h"

/* Returns 0, or -1 with errno. */
int waiting_open(struct server *server);

/* Judges those who have come since the last time, once all were started who may be: the newest
 * are refused if more wait than --queue and --per-source-queue allow.  Who waits for a dispatcher
 * only is judged when there is room again, or after a second.  Watches those who wait on, at once
 * or in a moment. */
void waiting_judge(struct server *server);

/* When to judge and watch those at the latest; 0: nobody. */
uint64_t waiting_next_judgement(const struct server *server);

/* Refuses those who have waited for --queue-timeout, some at a time, so that between them their
 * clients can be seen to close, and others to come. */
void waiting_expire(struct server *server);

/* When the next one will have; 0: nobody. */
uint64_t waiting_deadline(const struct server *server);

/* Takes out of the queue whoever has given up, not only when the loop comes to it. */
void waiting_look(struct server *server);

/* Whether a client whose turn has come is still there; if not, takes it out of the queue. */
bool waiting_is_there(struct server *server, struct client *client);

/* Begins to watch a client that waits, and ends it. */
void waiting_watch(struct server *server, struct client *client);
void waiting_unwatch(struct server *server, struct client *client);

#endif
