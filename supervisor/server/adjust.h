/*
 * adjust.h - limits that the operator changes while the service runs: `set NAME VALUE`.
 */
#ifndef SUPERVISOR_SERVER_ADJUST_H
#define SUPERVISOR_SERVER_ADJUST_H

#include "dispatcher/shared/text.h"
#include "supervisor/server/state.h"

/* Changes the limit of that name, as the option --NAME sets it, or lifts it if the value is "none".
 * It counts at once: for who runs or waits already too, but that nobody is ended for it.  Adds what
 * it is now, or what is wrong with name or value; returns whether it was changed. */
bool adjust_set(struct server *server, const char *name, const char *value, struct text *text);

/* Adds the names, with a comma and a blank between them. */
void adjust_names(struct text *text);

#endif
