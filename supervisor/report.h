/*
 * report.h - what the service says of its clients, in the log.
 */
#ifndef SUPERVISOR_REPORT_H
#define SUPERVISOR_REPORT_H

#include "supervisor/server.h"

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

/* One line with all counts, whatever the log level. */
void report_status(const struct server *server);

#endif
