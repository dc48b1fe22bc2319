#include "supervisor/keeper/launch.h"

#include "dispatcher/protocol.h"
#include "supervisor/base/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

/* Places in the argument vector. */
enum { ROLE = 1, FORMAT = 2, PATH = 3, COMMAND = 4 };

int launch_prepare(struct launch *launch, char *const *command, const struct rlimit *limit,
                   struct setup *setup, size_t setup_size, enum log_format format)
{
    size_t count = 0;

    while (command[count] != NULL)
        count++;
    *launch = (struct launch){
        .program = open_program(),
        .limit = *limit,
        .setup = setup,
        .setup_size = setup_size,
    };
    if (launch->program < 0)
        return -1;
    launch->arguments = calloc(COMMAND + count + 1, sizeof(*launch->arguments));
    if (launch->arguments == NULL) {
        log_error("cannot prepare the dispatchers: %m");
        return -1;
    }
    launch->arguments[0] = (char *)(uintptr_t) "dispatcher"; /* exec does not write to it */
    launch->arguments[FORMAT] =
        (char *)(uintptr_t)(format == LOG_FORMAT_JSON ? "json" : "text"); /* nor to this */
    launch->arguments[PATH] = command[0]; /* until launch_try() finds it */
    memcpy(&launch->arguments[COMMAND], command, count * sizeof(*command));
    return 0;
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
