/*
 * announcement.h - says once that the service listens: in the log, on the descriptor of --ready-fd,
 * and at the terminal.
 */
#ifndef SUPERVISOR_SERVER_ANNOUNCEMENT_H
#define SUPERVISOR_SERVER_ANNOUNCEMENT_H

#include "supervisor/listen/listener.h"
#include "supervisor/options/options.h"

#include <stdbool.h>

/* Closes the descriptor of --ready-fd, if there is one, and forgets it.  Does not block; what
 * cannot be written is logged.  `greets`: an operator at a terminal is greeted (greeting.h). */
void announcement_make(struct options *options, const struct listeners *listeners, bool greets);

#endif
