/*
 * launch.h - starts the dispatcher's program as protocol.h says.
 *
 * A dispatcher gets the limit on descriptors that the daemon was started with, not the raised one,
 * because handlers inherit it.  A dispatcher of workers needs the raised limit, and its workers get
 * the original one by struct setup.  All else is inherited unchanged.
 */
#ifndef SUPERVISOR_KEEPER_LAUNCH_H
#define SUPERVISOR_KEEPER_LAUNCH_H

#include "dispatcher/protocol.h"
#include "supervisor/options/identity.h"
#include "supervisor/options/options.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

enum { LAUNCH_TITLE = 64 };

/* What launch_open_errors() logs about a path. */
#define LAUNCH_ERRORS_FAILED "--stderr: cannot open '%s' to append to it: %m"

/* What a dispatcher is started with, in the order of BEGUN (link.h). */
enum { LAUNCH_SOCKET /* the supervisor's end */, LAUNCH_PEER, LAUNCH_LEDGER, LAUNCH_DESCRIPTORS };

/* How dispatchers are started. */
struct launch {
    int program;         /* an O_PATH descriptor */
    int setup;           /* a sealed memory file with struct setup */
    int errors;          /* the file that handlers write standard error to; -1: none */
    char **arguments;    /* a title, role, log format, the handler's path and arguments */
    struct rlimit limit; /* RLIMIT_NOFILE of the dispatcher */
    char path[PATH_MAX]; /* of the handler's executable */
};

/* What the start has found out, for dispatchers and handlers. */
struct launch_facts {
    uid_t dispatcher;             /* user that dispatchers have besides that of handlers; 0: none */
    int oom_score;                /* oom_score_adj of handlers */
    struct rlimit limit;          /* on descriptors, as the daemon was started with it */
    uint32_t raised;              /* the limit on descriptors that the daemon has now */
    struct setup_clients clients; /* that the listeners may bring */
};

/* Finds the dispatcher's program beside our own, or where it was installed, and prepares what
 * dispatchers and handlers start with.  Sets USER, LOGNAME, HOME and SHELL in the environment for
 * `handlers`, which is empty if they keep the daemon's user.  The command of `options` must stay.
 * Returns 0, or -1 after logging what is wrong. */
int launch_prepare(struct launch *launch, const struct options *options,
                   const struct identity *handlers, const struct launch_facts *facts);

/* Opens the file of --stderr, if there is one, for all handlers to come; makes it if it does not
 * exist.  Nothing opens it again, so a rotation must copy and truncate it.  Returns 0, or -1 after
 * logging why. */
int launch_open_errors(struct launch *launch, const struct options *options);

/* Has a dispatcher find and try the command, and waits for it.  Returns 0, or the status to exit
 * with after logging an error: no handler could ever start, or none of some client. */
int launch_try(struct launch *launch);

/* Starts a dispatcher; launch_try() has succeeded.  Returns its process, and sets `descriptors`,
 * which the caller closes; or returns -1 with errno.  Never waits: READY, or the end of the
 * process, shows whether the program could be executed. */
pid_t launch_dispatcher(struct launch *launch, unsigned index, int descriptors[LAUNCH_DESCRIPTORS]);

#endif
