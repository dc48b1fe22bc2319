#include "supervisor/keeper/launch.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/socket.h"
#include "supervisor/options/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef LIBEXEC_DIRECTORY
#error "LIBEXEC_DIRECTORY must be set: where the dispatcher is installed"
#endif

static int open_program(void)
{
    const size_t most = PATH_MAX - sizeof("dispatcher");
    char path[PATH_MAX] = "";
    ssize_t length = readlink("/proc/self/exe", path, most);
    /* A path that fills the buffer may be truncated. */
    char *slash = length > 0 && (size_t)length < most ? strrchr(path, '/') : NULL;
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

static bool copy_path(char to[SETUP_PATH], const char *option, const char *path)
{
    if (path == NULL || snprintf(to, SETUP_PATH, "%s", path) < SETUP_PATH)
        return true;
    log_error("%s: the path is longer than %d bytes", option, SETUP_PATH - 1);
    return false;
}

/* `identity` is empty if handlers keep that of the daemon. */
static bool fill(struct setup *setup, const struct options *options,
                 const struct identity *identity, int oom_score)
{
    setup->version = PROTOCOL_VERSION;
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
    setup->oom_score = oom_score;
    memcpy(setup->limits, options->limits, sizeof(setup->limits));
    setup->group_count = (uint32_t)identity->group_count;
    for (size_t i = 0; i < identity->group_count; i++)
        setup->groups[i] = identity->groups[i];
    return copy_path(setup->root, "--chroot", options->root) &&
           copy_path(setup->directory, "--chdir", options->directory) &&
           copy_path(setup->files[PROTOCOL_FILE_ACCESS], "--access-file", options->access_file) &&
           copy_path(setup->files[PROTOCOL_FILE_BUSY], "--busy-message", options->busy_file);
}

/* Programs find their user's files by these variables; the daemon's would lead them astray. */
static bool set_environment(const struct identity *identity)
{
    return identity->name == NULL ||
           (setenv("USER", identity->name, 1) == 0 && setenv("LOGNAME", identity->name, 1) == 0 &&
            setenv("HOME", identity->directory, 1) == 0 &&
            setenv("SHELL", identity->shell, 1) == 0);
}

static bool prepare_setup(struct launch *launch, const struct options *options, uid_t supervisor,
                          int oom_score)
{
    struct identity identity = {0};
    bool done;

    if ((options->user != NULL || options->group != NULL) &&
        !identity_of_handlers(&identity, options->user, options->group))
        return false;
    if ((options->user != NULL ? identity.user : geteuid()) == supervisor)
        log_warning("handlers and the supervisor are the same user, %u: a handler can kill the "
                    "supervisor; give --supervisor-user another user",
                    supervisor);
    launch->setup_size =
        sizeof(*launch->setup) + identity.group_count * sizeof(*launch->setup->groups);
    launch->setup = calloc(1, launch->setup_size);
    done = launch->setup != NULL && (options->no_environment || set_environment(&identity));
    if (!done)
        log_error("cannot prepare what handlers start with: %m");
    done = done && fill(launch->setup, options, &identity, oom_score);
    identity_free(&identity);
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
        (char *)(uintptr_t)(options->log_format == LOG_FORMAT_JSON ? "json"
                                                                   : "text"); /* nor here */
    launch->arguments[PATH] = options->command[0]; /* until launch_try() finds it */
    memcpy(&launch->arguments[COMMAND], options->command, count * sizeof(*options->command));
    return true;
}

int launch_prepare(struct launch *launch, const struct options *options, uid_t supervisor,
                   int oom_score, const struct rlimit *limit)
{
    *launch = (struct launch){.program = open_program(), .limit = *limit};
    return launch->program >= 0 && prepare_setup(launch, options, supervisor, oom_score) &&
                   prepare_arguments(launch, options)
               ? 0
               : -1;
}

/* Runs in the new process.  `peer` and `memory` have numbers above PROTOCOL_LAST (descriptors.h),
 * so dup2() overwrites neither.  All other descriptors are close-on-exec. */
static _Noreturn void become_dispatcher(const struct launch *launch, int peer, int memory)
{
    if (dup2(peer, PROTOCOL_SOCKET) < 0 || dup2(memory, PROTOCOL_LEDGER) < 0 ||
        setrlimit(RLIMIT_NOFILE, &launch->limit) != 0)
        log_error("cannot prepare a dispatcher: %m");
    else if (fexecve(launch->program, launch->arguments, environ) != 0)
        log_error("cannot execute the dispatcher's program: %m");
    _exit(EXIT_FAILURE);
}

/* Raises the send buffer of a socket to `size`, which only root can do: the default is that of
 * net.core.wmem_default. */
static void make_room(int socket, size_t size)
{
    int room = socket_get(socket, SOL_SOCKET, SO_SNDBUF);

    /* The kernel doubles the value for its own needs (socket(7)). */
    if (room >= 0 && (size_t)room / 2 < size)
        (void)socket_set(socket, SOL_SOCKET, SO_SNDBUFFORCE, (int)size);
}

static pid_t execute(struct launch *launch, const char *role, int socket, int peer, int memory)
{
    pid_t process;

    make_room(socket, launch->setup_size);
    /* The socket holds it until the dispatcher reads it. */
    if (send(socket, launch->setup, launch->setup_size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return -1;
    launch->arguments[ROLE] = (char *)(uintptr_t)role;
    process = fork();
    if (process == 0)
        become_dispatcher(launch, peer, memory);
    return process;
}

static void close_end(int *end)
{
    (void)close(*end); /* no data of ours is lost */
    *end = -1;
}

int launch_try(struct launch *launch, int *socket, int *peer, int memory)
{
    pid_t process = execute(launch, "try", *socket, *peer, memory);
    ssize_t length;
    int status;

    if (process < 0) {
        log_error("cannot try the command: %m");
        return EXIT_FAILURE;
    }
    close_end(peer); /* so that recv() returns if the dispatcher exits without a message */
    do {
        length = recv(*socket, launch->path, sizeof(launch->path) - 1, 0);
    } while (length < 0 && errno == EINTR);
    close_end(socket);
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

pid_t launch_spare(void *launch, int socket, int peer, int memory)
{
    return execute(launch, "spare", socket, peer, memory);
}

void launch_close(struct launch *launch)
{
    (void)close(launch->program); /* no data was written to it */
    free(launch->arguments);
    free(launch->setup);
}
