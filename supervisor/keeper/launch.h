/*
 * launch.h - starts the dispatcher's program, as protocol.h says: for as long as the supervisor may
 * execute anything.
 *
 * It gets the limit on descriptors that the daemon was started with, not the raised one, since
 * handlers inherit it; all else is inherited as it is.
 */
#ifndef SUPERVISOR_KEEPER_LAUNCH_H
#define SUPERVISOR_KEEPER_LAUNCH_H

#include "dispatcher/shared/log.h"
#include "supervisor/pool/ends.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

/* What dispatchers are started with. */
struct launch {
    int program;         /* an O_PATH descriptor */
    struct setup *setup; /* what they are told first */
    size_t setup_size;
    char **arguments; /* "dispatcher", the role, the format, the path and the argument vector of the
                         handler */
    struct rlimit limit; /* RLIMIT_NOFILE for the dispatcher */
    char path[PATH_MAX]; /* where the handler's executable was found */
};

/* Finds the dispatcher's program beside our own, or where it was installed, and fills in *launch.
 * `command` must stay; `setup` is taken over; `format` is that of their log.  Returns 0, or -1
 * after logging what is missing. */
int launch_prepare(struct launch *launch, char *const *command, const struct rlimit *limit,
                   struct setup *setup, size_t setup_size, enum log_format format);

/* Has the command found and tried, and waits for that.  Returns 0, or the status to exit with,
 * after something was logged. */
int launch_try(struct launch *launch);

/* Starts the spare one at the other end; launch_try() must have succeeded.  Returns its process, or
 * -1 with errno.  Never waits: whether the program could be executed shows in READY, or in the end
 * of the process. */
pid_t launch_dispatcher(struct launch *launch, const struct ends *ends);

/* Closes what is needed for that: none will be started any more. */
void launch_close(struct launch *launch);

#endif
