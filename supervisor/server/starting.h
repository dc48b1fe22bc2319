/*
 * starting.h - how many waiting clients start now, and why no more: admission's rules, held against
 * what queue, pool, gates and takeover know.
 */
#ifndef SUPERVISOR_SERVER_STARTING_H
#define SUPERVISOR_SERVER_STARTING_H

#include "supervisor/server/state.h"

/* Decides how many clients may start if `newcomers` join the queue first. */
struct admission starting_admission(struct server *server, uint32_t newcomers);

/* Starts as many waiting clients as may start. */
void starting_advance(struct server *server);

/* Sets the timer for what no event announces and a client waits for: the end of a delay after a
 * failed start, or of a pause of clients that stepped aside, or a gate. */
void starting_set_timer(struct server *server);

#endif
