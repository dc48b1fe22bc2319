#include "supervisor/keeper/launch.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ERRORS_MODE = 0640 /* of a new file of --stderr */ };

#ifndef LIBEXEC_DIRECTORY
#error "LIBEXEC_DIRECTORY must be set: where the dispatcher is installed"
#endif

/* Finds out the path of this program, without symbolic links.  Without /proc, takes the path that
 * it was executed by (getauxval(3)), which may be relative to the working directory of the start:
 * call this before that changes. */
static bool find_ourselves(char path[PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
    unsigned long executed = length > 0 ? 0 : getauxval(AT_EXECFN);

    if (length > 0)
        path[length] = '\0';
    return length > 0 || (executed != 0 && realpath((const char *)executed, path) != NULL);
}

static int open_program(void)
{
    const size_t most = PATH_MAX - sizeof("dispatcher");
    char path[PATH_MAX];
    /* A path that fills the buffer may be truncated. */
    char *slash = find_ourselves(path) && strlen(path) < most ? strrchr(path, '/') : NULL;
    int program = -1;

    if (slash != NULL) {
        strcpy(slash + 1, "dispatcher");
        program = open(path, O_PATH | O_CLOEXEC);
    }
    /* If the neighbour exists and cannot be opened, the installed program is no substitute. */
    if (program < 0 && slash != NULL && errno != ENOENT) {
        log_error("cannot open the dispatcher's program, %s: %m", path);
        return -1;
    }
    if (program < 0)
        program = open(LIBEXEC_DIRECTORY "/dispatcher", O_PATH | O_CLOEXEC);
    if (program < 0)
        log_error("cannot find the dispatcher's program, neither as %s nor as %s: %m",
                  slash == NULL ? "a neighbour of this program" : path,
                  LIBEXEC_DIRECTORY "/dispatcher");
    return program;
}

/* Returns how many idle workers each dispatcher keeps.  If there are several dispatchers, each has
 * been needed for more clients at once than its share, at some time. */
static uint32_t spare_of(const struct options *options)
{
    const uint32_t all = options->spare == UNLIMITED && options->dispatchers > 1
                             ? options->processes
                             : options->spare;

    return all == UNLIMITED ? UINT32_MAX : (all + options->dispatchers - 1) / options->dispatchers;
}

/* The dispatcher has the raised limit on descriptors, and workers get the original one. */
static void fill_workers(struct setup *setup, const struct options *options,
                         const struct launch_facts *facts)
{
    const uint64_t timeout = options->spare_timeout / 1000;

    setup->persistent = 1;
    setup->max_requests = options->max_requests == UNLIMITED ? 0 : options->max_requests;
    setup->spare = spare_of(options);
    setup->spare_timeout = timeout < UINT32_MAX ? (uint32_t)timeout : UINT32_MAX;
    if (setup->limits[RLIMIT_NOFILE].given == 0)
        setup->limits[RLIMIT_NOFILE] = (struct setup_limit){
            .given = 1, .soft = facts->limit.rlim_cur, .hard = facts->limit.rlim_max};
}

/* `identity` is empty if handlers keep that of the daemon. */
static void fill(struct setup *setup, const struct options *options,
                 const struct identity *identity, const struct launch_facts *facts)
{
    setup->version = PROTOCOL_VERSION;
    setup->has_dispatcher_user = facts->dispatcher != 0;
    setup->dispatcher_user = facts->dispatcher;
    setup->has_identity = identity->group_count > 0;
    setup->user = identity->user;
    setup->group = identity->group;
    setup->has_nice = options->has_nice;
    setup->nice = options->nice;
    setup->has_umask = options->umask.given;
    setup->umask = options->umask.bits;
    setup->standard_error = options->standard_error;
    setup->no_environment = options->no_environment;
    setup->no_new_privileges = options->no_new_privileges;
    setup->find_leftovers = options->end_leftovers;
    setup->oom_score = facts->oom_score;
    setup->clients = facts->clients;
    memcpy(setup->limits, options->limits, sizeof(setup->limits));
    if (options->persistent)
        fill_workers(setup, options, facts);
    setup->group_count = (uint32_t)identity->group_count;
    for (size_t i = 0; i < identity->group_count; i++)
        setup->groups[i] = identity->groups[i];
    /* command_line.h has checked their lengths. */
    (void)snprintf(setup->root, SETUP_PATH, "%s", options->root == NULL ? "" : options->root);
    (void)snprintf(setup->directory, SETUP_PATH, "%s",
                   options->directory == NULL ? "" : options->directory);
}

/* Programs find their user's files by these variables; the daemon's would lead them astray. */
static bool set_environment(const struct identity *identity)
{
    return identity->name == NULL ||
           (setenv("USER", identity->name, 1) == 0 && setenv("LOGNAME", identity->name, 1) == 0 &&
            setenv("HOME", identity->directory, 1) == 0 &&
            setenv("SHELL", identity->shell, 1) == 0);
}

/* Writes the setup to a memory file that nobody can change any more. */
static bool share(struct launch *launch, const struct setup *setup, size_t size)
{
    launch->setup = memfd_create("dampener-setup", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    /* First its size: a write that RLIMIT_FSIZE cuts short would set no errno. */
    return launch->setup >= 0 && ftruncate(launch->setup, (off_t)size) == 0 &&
           write(launch->setup, setup, size) == (ssize_t)size && file_seal(launch->setup) == 0;
}

static bool prepare_setup(struct launch *launch, const struct options *options,
                          const struct identity *identity, const struct launch_facts *facts)
{
    size_t size = sizeof(struct setup) + identity->group_count * sizeof(uint32_t);
    struct setup *setup = calloc(1, size);
    bool done = setup != NULL && (options->no_environment || set_environment(identity));

    if (done)
        fill(setup, options, identity, facts);
    done = done && share(launch, setup, size);
    if (!done)
        log_error("cannot prepare what handlers start with: %m%s",
                  errno == ENOSYS ? "; memfd_create(2) requires Linux 3.17" : "");
    free(setup);
    return done;
}

/* Places in the argument vector. */
enum { ROLE = 1, FORMAT = 2, PATH = 3, COMMAND = 4 };

static bool prepare_arguments(struct launch *launch, const struct options *options)
{
    size_t count = 0;

    while (options->command[count] != NULL)
        count++;
    launch->arguments = calloc(COMMAND + count + 1, sizeof(*launch->arguments));
    if (launch->arguments == NULL) {
        log_error("cannot prepare the dispatchers: %m");
        return false;
    }
    launch->arguments[0] = (char *)(uintptr_t) "dispatcher"; /* exec does not write to it */
    launch->arguments[FORMAT] =
        (char *)(uintptr_t)log_format_words[options->log_format]; /* nor here */
    launch->arguments[PATH] = options->command[0];                /* until launch_try() finds it */
    memcpy(&launch->arguments[COMMAND], options->command, count * sizeof(*options->command));
    return true;
}

int launch_prepare(struct launch *launch, const struct options *options,
                   const struct identity *handlers, const struct launch_facts *facts)
{
    *launch = (struct launch){.program = open_program(), .errors = -1, .limit = facts->limit};
    if (options->persistent)
        launch->limit.rlim_cur = facts->raised;
    return launch->program >= 0 && prepare_setup(launch, options, handlers, facts) &&
                   prepare_arguments(launch, options)
               ? 0
               : -1;
}

/* ---- starting a process ---- */

/* Runs in the new process.  The descriptors have numbers above PROTOCOL_LAST (descriptors.h), so
 * dup2() overwrites none of them.  All others are close-on-exec. */
static _Noreturn void become_dispatcher(const struct launch *launch,
                                        const int descriptors[LAUNCH_DESCRIPTORS])
{
    if ((launch->errors >= 0 && dup2(launch->errors, PROTOCOL_ERRORS) < 0) ||
        dup2(descriptors[LAUNCH_PEER], PROTOCOL_SOCKET) < 0 ||
        dup2(descriptors[LAUNCH_LEDGER], PROTOCOL_LEDGER) < 0 ||
        dup2(launch->setup, PROTOCOL_SETUP) < 0 || setrlimit(RLIMIT_NOFILE, &launch->limit) != 0)
        log_error("cannot prepare a dispatcher: %m");
    else if (fexecve(launch->program, launch->arguments, environ) != 0)
        log_error("cannot execute the dispatcher's program: %m");
    _exit(EXIT_FAILURE);
}

/* The seals keep a dispatcher from truncating it: reading it would kill the supervisor then. */
static int open_ledger(void)
{
    int ledger = memfd_create("dampener-ledger", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (ledger >= 0 && ftruncate(ledger, sizeof(struct ledger)) == 0 &&
        fcntl(ledger, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return ledger;
    if (ledger >= 0)
        (void)close(ledger); /* it is empty */
    return -1;
}

static pid_t execute(struct launch *launch, const char *role, int descriptors[LAUNCH_DESCRIPTORS])
{
    pid_t process = -1;

    descriptors[LAUNCH_LEDGER] = open_ledger();
    if (descriptors[LAUNCH_LEDGER] < 0)
        return -1;
    launch->arguments[ROLE] = (char *)(uintptr_t)role;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, descriptors) == 0) {
        process = fork();
        if (process == 0)
            become_dispatcher(launch, descriptors);
        if (process > 0)
            return process;
        (void)close(descriptors[LAUNCH_SOCKET]); /* nothing was sent */
        (void)close(descriptors[LAUNCH_PEER]);
    }
    (void)close(descriptors[LAUNCH_LEDGER]); /* it is empty */
    return -1;
}

/* O_NONBLOCK: opening a named pipe would wait for a reader.  Handlers must not find it set. */
int launch_open_errors(struct launch *launch, const struct options *options)
{
    const char *path = options->error_file;

    if (options->standard_error != SETUP_STANDARD_ERROR_FILE)
        return 0;
    launch->errors =
        open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, ERRORS_MODE);
    if (launch->errors >= 0 && fcntl(launch->errors, F_SETFL, O_APPEND) == 0)
        return 0;
    log_error(LAUNCH_ERRORS_FAILED, path);
    return -1;
}

int launch_try(struct launch *launch)
{
    int descriptors[LAUNCH_DESCRIPTORS];
    pid_t process = execute(launch, "try", descriptors);
    ssize_t length;
    int status;

    if (process < 0) {
        log_error("cannot try the command: %m");
        return EXIT_FAILURE;
    }
    (void)close(descriptors[LAUNCH_LEDGER]);
    (void)close(descriptors[LAUNCH_PEER]); /* recv() returns if it exits without a message */
    do {
        length = recv(descriptors[LAUNCH_SOCKET], launch->path, sizeof(launch->path) - 1, 0);
    } while (length < 0 && errno == EINTR);
    (void)close(descriptors[LAUNCH_SOCKET]);
    while (waitpid(process, &status, 0) < 0)
        if (errno != EINTR)
            log_bug("waitpid: %m");
    launch->arguments[PATH] = launch->path;
    if (WIFEXITED(status) && (WEXITSTATUS(status) != 0 || length > 0))
        return WEXITSTATUS(status);
    if (length > 0) {
        log_warning("the dispatcher ended while it tried the command, with status %d; a fault in "
                    "the command would show with the first client",
                    status);
        return 0;
    }
    log_error("the dispatcher ended while it tried the command, with status %d", status);
    return EXIT_FAILURE;
}

pid_t launch_dispatcher(struct launch *launch, unsigned index, int descriptors[LAUNCH_DESCRIPTORS])
{
    char title[LAUNCH_TITLE];

    (void)snprintf(title, sizeof(title), "socket-burst-dampener: dispatcher %u", index);
    launch->arguments[0] = title; /* exec copies it */
    return execute(launch, "serve", descriptors);
}
