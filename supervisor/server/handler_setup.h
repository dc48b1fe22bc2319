/*
 * handler_setup.h - struct setup of protocol.h, from the command line.
 */
#ifndef SUPERVISOR_SERVER_HANDLER_SETUP_H
#define SUPERVISOR_SERVER_HANDLER_SETUP_H

#include "dispatcher/protocol.h"
#include "supervisor/options/options.h"

#include <stddef.h>
#include <sys/types.h>

/* Looks users and groups up, and says in the environment of this process whose home and shell
 * handlers have.  `supervisor` is who this process will be, `oom_score` what handlers are to have.
 * Returns it, `size` bytes from malloc(3), or NULL after logging what is wrong. */
struct setup *handler_setup(const struct options *options, uid_t supervisor, int oom_score,
                            size_t *size);

#endif
