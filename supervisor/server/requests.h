/*
 * requests.h - what the supervisor asks of the keeper, and what it does about the keeper's reports
 * (keeper/link.h).
 *
 * Nothing here blocks except requests_publish().  A request that the link does not take now fails;
 * the caller repeats it if it matters.
 */
#ifndef SUPERVISOR_SERVER_REQUESTS_H
#define SUPERVISOR_SERVER_REQUESTS_H

#include "supervisor/keeper/link.h"
#include "supervisor/keeper/notify.h"
#include "supervisor/server/state.h"

#include <stdbool.h>

/* Begins to hear the keeper's reports.  `link` is ours.  Returns 0, or -1 with errno. */
int requests_open(struct server *server, int link);

/* Acts on the signals that came before the service began. */
void requests_begin(struct server *server);

/* Reads the reports that have come.  Returns true if SIGTERM or SIGINT is among them, and the service
 * has not begun. */
bool requests_end_early(void *context);

/* Returns false with errno if the request could not be sent. */
bool requests_send(struct server *server, const struct link_message *request);

/* Has the service manager told of a state; with STATUS, of `text`, or else "". */
void requests_notify(struct server *server, enum notify_state state, const char *text);

/* Has all files put into their places, and waits for that up to 5 s.  Returns 0, or -1 after logging
 * what failed. */
int requests_publish(struct server *server);

/* The part of running_events that asks the keeper. */
bool requests_adopt(void *context, pid_t process, uint32_t mark);
bool requests_signal(void *context, pid_t process, int signal_number);
bool requests_await_group(void *context, pid_t process);
void requests_kill(void *context, unsigned dispatcher, uint32_t generation, bool give_way);

#endif
