/*
 * handler_setup.h - makes struct setup of protocol.h from the options.
 */
#ifndef SUPERVISOR_SERVER_HANDLER_SETUP_H
#define SUPERVISOR_SERVER_HANDLER_SETUP_H

#include "dispatcher/protocol.h"
#include "supervisor/options/options.h"

#include <stddef.h>
#include <sys/types.h>

/* Looks up the user and group of handlers, and sets USER, LOGNAME, HOME and SHELL in the
 * environment for them.  `supervisor` is the future user of this process, `oom_score` the value for
 * handlers.  Returns `size` bytes from malloc(3), or NULL after logging what is wrong. */
struct setup *handler_setup(const struct options *options, uid_t supervisor, int oom_score,
                            size_t *size);

#endif
