/*
 * status.h - how the service stands, as one JSON object: what `status` answers.
 *
 * The fields are described in socket-burst-dampener(8), STATUS.  Fields are added, and never change
 * their meaning.
 */
#ifndef SUPERVISOR_FIGURES_STATUS_H
#define SUPERVISOR_FIGURES_STATUS_H

#include "dispatcher/shared/text.h"
#include "supervisor/server/state.h"

/* What the service can do, in a word each. */
enum { STATUS_STATES = 5 };
extern const char *const status_states[STATUS_STATES];

/* What it does now: one of these. */
const char *status_state(const struct server *server);

/* How many descriptors this process has. */
uint32_t status_descriptors(const struct server *server);

/* How often dispatchers were started again. */
uint64_t status_dispatcher_restarts(const struct server *server);

/* Adds the object. */
void status_write(struct server *server, struct text *text);

/* One line with all counts, whatever the log level. */
void report_status(const struct server *server);

#endif
