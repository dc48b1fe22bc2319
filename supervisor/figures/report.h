/*
 * report.h - what the service says of its clients, in the log.
 */
#ifndef SUPERVISOR_FIGURES_REPORT_H
#define SUPERVISOR_FIGURES_REPORT_H

#include "supervisor/server/server.h"

/* One line when serving begins, for each listener. */
void report_listening(const struct listeners *listeners);

/* What a handler used: microseconds, and KiB at most. */
struct report_usage {
    uint64_t user_time;
    uint64_t system_time;
    uint64_t memory;
};

/* One line when a handler starts, and one when it has ended.  `status`, as wait(2) gives it, and
 * `usage` may be NULL: a dispatcher that dies may take that knowledge along. */
void report_started(const struct server *server, const struct client *client);
void report_ended(const struct server *server, const struct client *client, const int *status,
                  const struct report_usage *usage);

/* Sets up what the refusals need. */
void report_open(struct server *server);

/* One line for a client that gave up while it waited. */
void report_abandoned(const struct server *server, const struct client *client);

/* One line for a client that is refused for this reason; but if there are many, only a few of them,
 * and later how many there were more. */
void report_refused(struct server *server, const struct endpoint *remote, enum client_end reason);

/* Says at the end what report_refused() owes. */
void report_left_out(struct server *server);

/* One line with all counts, whatever the log level. */
void report_status(const struct server *server);

#endif
