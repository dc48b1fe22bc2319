/*
 * reports.h - what the keeper reports (keeper/link.h), and what the supervisor does about it.
 */
#ifndef SUPERVISOR_SERVER_REPORTS_H
#define SUPERVISOR_SERVER_REPORTS_H

#include "supervisor/server/state.h"

#include <stdbool.h>

/* Begins to hear the keeper; `link` is ours.  Signals that it reports are kept until
 * reports_begin().  Returns 0, or -1 with errno. */
int reports_open(struct server *server, int link);

/* Waits until the keeper has begun the dispatchers.  Returns 0, or -1 if the keeper is dead. */
int reports_await_dispatchers(struct server *server);

/* Acts on the signals that came before the service began, or that an earlier supervisor has not
 * acted on. */
void reports_begin(struct server *server);

/* Returns true if SIGTERM or SIGINT has come before the service began, or the keeper has died;
 * `is_to_end` of takeover_events. */
bool reports_end_early(void *context);

/* Has the keeper put all files into their places, and waits for that up to 5 s.  Returns 0, or -1
 * after the log says what failed. */
int reports_publish(struct server *server);

#endif
