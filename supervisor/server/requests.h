/*
 * requests.h - what the supervisor asks of the keeper (keeper/link.h).
 *
 * Nothing here blocks.  A request that the link does not take now fails; the caller repeats it if
 * it matters.
 */
#ifndef SUPERVISOR_SERVER_REQUESTS_H
#define SUPERVISOR_SERVER_REQUESTS_H

#include "supervisor/keeper/link.h"
#include "supervisor/keeper/notify.h"
#include "supervisor/server/state.h"

#include <stdbool.h>

/* Returns false with errno if the request could not be sent. */
bool requests_send(struct server *server, const struct link_message *request);

/* Opens the module. */
void requests_open(struct server *server);

/* Has the keeper close its copies of listeners, because no client is accepted any more.  While the
 * link does not take the request, it is repeated. */
void requests_retire(struct server *server);

/* Has the keeper open standard error again if it is broken. */
void requests_look_at_log(struct server *server);

/* Has the service manager told of a state, with a new status line; "": the old one stays. */
void requests_notify(struct server *server, enum notify_state state, const char *text);

/* The part of running_events that asks the keeper. */
bool requests_adopt(void *context, pid_t process, uint32_t mark);
bool requests_signal(void *context, pid_t process, int signal_number);
bool requests_await_group(void *context, pid_t process);
void requests_kill(void *context, unsigned dispatcher, uint32_t generation, bool give_way);

#endif
