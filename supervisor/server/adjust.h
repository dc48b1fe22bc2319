/*
 * adjust.h - limits that the operator changes while the service runs: `set NAME VALUE`.
 */
#ifndef SUPERVISOR_SERVER_ADJUST_H
#define SUPERVISOR_SERVER_ADJUST_H

#include "dispatcher/shared/text.h"
#include "supervisor/server/state.h"

/* Changes the limit with that name as the option --NAME does; the value `none` lifts it.  The
 * change takes effect at once; no handler is killed to meet a lower limit.  Adds a line with the
 * new value, or with what is wrong with name or value, and returns whether the limit was changed.
 */
bool adjust_set(struct server *server, const char *name, char *value, struct text *text);

/* Adds the names of all limits that can be set, separated by a comma and a blank. */
void adjust_names(struct text *text);

#endif
