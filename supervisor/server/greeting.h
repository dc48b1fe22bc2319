/*
 * greeting.h - what an operator at a terminal sees when the service begins: where it listens, how
 * to try it, how to watch it, and how to end it.
 */
#ifndef SUPERVISOR_SERVER_GREETING_H
#define SUPERVISOR_SERVER_GREETING_H

#include "supervisor/listen/listener.h"
#include "supervisor/options/options.h"

#include <stdbool.h>

/* Returns true if standard error is a terminal, the log is plain text, and no program waits for
 * --ready-fd.  Ask at the start: the supervisor may not. */
bool greeting_is_wanted(const struct options *options);

/* Logs four lines at most, without colours. */
void greeting_write(const struct options *options, const struct listeners *listeners);

#endif
