/*
 * launch.h - starts the dispatcher's program as protocol.h says, as long as the supervisor may
 * execute programs.
 *
 * Handlers inherit the dispatcher's limit on open descriptors, so it gets the limit that the daemon
 * was started with, not the raised one.  It inherits all else unchanged.
 */
#ifndef SUPERVISOR_KEEPER_LAUNCH_H
#define SUPERVISOR_KEEPER_LAUNCH_H

#include "dispatcher/protocol.h"
#include "supervisor/options/options.h"

#include <limits.h>
#include <sys/resource.h>
#include <sys/types.h>

/* How dispatchers are started. */
struct launch {
    int program;         /* an O_PATH descriptor */
    struct setup *setup; /* the first message */
    size_t setup_size;
    char **arguments;    /* "dispatcher", role, log format, the handler's path and arguments */
    struct rlimit limit; /* RLIMIT_NOFILE of the dispatcher */
    char path[PATH_MAX]; /* of the handler's executable */
};

/* Finds the dispatcher's program beside our own, or where it was installed, and prepares what
 * dispatchers and handlers start with: looks up the handlers' user and group, and sets USER,
 * LOGNAME, HOME and SHELL in the environment for them.  `supervisor` is the future user of this
 * process, `oom_score` the value for handlers, and `limit` the one that the daemon was started
 * with. The command of `options` must stay.  Returns 0, or -1 after logging what is wrong. */
int launch_prepare(struct launch *launch, const struct options *options, uid_t supervisor,
                   int oom_score, const struct rlimit *limit);

/* Both functions start a dispatcher with its end of a SOCK_SEQPACKET pair, `peer`, and the file of
 * its ledger, `memory`, after sending its setup to `socket`. */

/* Has a dispatcher find and try the command, and waits for it.  Closes *socket and *peer, and makes
 * them -1, unless the process cannot be created.  Returns 0, or the status to exit with after
 * logging an error: no handler could ever start. */
int launch_try(struct launch *launch, int *socket, int *peer, int memory);

/* Starts the spare; `launch` is a struct launch with which launch_try() has succeeded.  Returns its
 * process, or -1 with errno. Never waits: READY, or the end of the process, shows whether the
 * program could be executed. */
pid_t launch_spare(void *launch, int socket, int peer, int memory);

/* Closes and frees all of it, because no dispatcher will be started any more. */
void launch_close(struct launch *launch);

#endif
