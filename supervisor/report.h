/*
 * report.h - what the service says of its clients, in the log.
 */
#ifndef SUPERVISOR_REPORT_H
#define SUPERVISOR_REPORT_H

#include "supervisor/server.h"

#include <sys/resource.h>

/* One line when serving begins, for each listener. */
void report_listening(const struct listeners *listeners);

/* One line when a handler starts, and one when it has ended.  `status` as wait(2) gives it. */
void report_started(const struct server *server, const struct client *client);
void report_ended(const struct server *server, const struct client *client, int status,
                  uint64_t user_time, uint64_t system_time, uint64_t memory);

/* The same for a handler of which only that much is known: its dispatcher died having reaped it. */
void report_ended_unseen(const struct server *server, const struct client *client);

/* One line with all counts, whatever the log level. */
void report_status(const struct server *server);

#endif
