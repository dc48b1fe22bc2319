/*
 * launch.h - starts the process of one dispatcher, as protocol.h says.
 *
 * It gets the limit on descriptors that the daemon was started with, not the raised one, since
 * handlers inherit it; all else is inherited as it is.
 */
#ifndef SUPERVISOR_LAUNCH_H
#define SUPERVISOR_LAUNCH_H

#include "dispatcher/protocol.h"

#include <sys/resource.h>
#include <sys/types.h>

enum { LAUNCH_DESCRIPTORS = 3 }; /* that starting one takes */

/* What all dispatchers are started with. */
struct launch {
    int program;      /* an O_PATH descriptor: replaced files do not matter to a running daemon */
    char **arguments; /* "dispatcher", then the path and argument vector of the handler */
    struct rlimit limit;             /* RLIMIT_NOFILE for the dispatcher */
    int reserve[LAUNCH_DESCRIPTORS]; /* open for nothing else than to be free when they are needed
                                      */
};

struct launched {
    pid_t process;
    int socket;            /* our end; the caller's to close */
    int peer;              /* a copy of its end, to empty it when it is dead; likewise */
    struct ledger *ledger; /* shared with the process; the caller's to unmap */
};

/* Finds the dispatcher's program beside our own, or where it was installed, and fills in *launch.
 * `path` and `command` must stay.  Returns 0, or -1 after logging what is missing. */
int launch_prepare(struct launch *launch, const char *path, char *const *command,
                   const struct rlimit *limit);

/* Starts one, with descriptors kept for it, so that it can be done when clients have all others.
 * Returns 0, or -1 with errno and nothing left behind.  Never waits: whether the
 * program could be executed shows in READY, or in the end of the process. */
int launch_dispatcher(struct launch *launch, struct launched *launched);

#endif
