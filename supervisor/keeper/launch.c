#include "supervisor/keeper/launch.h"

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
    /* A path as long as the room for it may be cut short. */
    char *slash = length > 0 && (size_t)length < most ? strrchr(path, '/') : NULL;
    int program = -1;

    if (slash != NULL) {
        strcpy(slash + 1, "dispatcher");
        program = open(path, O_PATH | O_CLOEXEC);
    }
    /* One that is there, but cannot be opened, is not passed over. */
    if (program < 0 && slash != NULL && errno != ENOENT) {
        log_error("cannot open the dispatcher, %s: %m", path);
        return -1;
    }
    if (program < 0)
        program = open(LIBEXEC_DIRECTORY "/dispatcher", O_PATH | O_CLOEXEC);
    if (program < 0)
        log_error("cannot find the dispatcher, neither as %s nor as %s: %m",
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
    launch->arguments[0] = (char *)(uintptr_t) "dispatcher"; /* exec only reads them */
    launch->arguments[FORMAT] =
        (char *)(uintptr_t)(format == LOG_FORMAT_JSON ? "json" : "text"); /* likewise */
    launch->arguments[PATH] = command[0];                                 /* until it is found */
    memcpy(&launch->arguments[COMMAND], command, count * sizeof(*command));
    return 0;
}

/* Runs in the new process.  The descriptors up to PROTOCOL_LAST are never other than these
 * (descriptors.h), so none can be overwritten before it is in place; the rest is close-on-exec. */
static _Noreturn void become_dispatcher(const struct launch *launch, const struct ends *ends)
{
    if (dup2(ends->peer, PROTOCOL_SOCKET) < 0 || dup2(ends->memory, PROTOCOL_LEDGER) < 0 ||
        setrlimit(RLIMIT_NOFILE, &launch->limit) != 0)
        log_error("cannot prepare a dispatcher: %m");
    else if (fexecve(launch->program, launch->arguments, environ) != 0)
        log_error("cannot execute the dispatcher: %m");
    _exit(EXIT_FAILURE);
}

/* How much fits depends on net.core.wmem_default; as root, room can be made. */
static void make_room(int socket, size_t size)
{
    int room = 0;
    socklen_t length = sizeof(room);

    /* What is told is twice what was asked for, as the kernel's own needs are in it (socket(7)). */
    if (getsockopt(socket, SOL_SOCKET, SO_SNDBUF, &room, &length) != 0 || (size_t)room / 2 >= size)
        return;
    room = (int)size;
    (void)setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
}

static pid_t execute(struct launch *launch, const char *role, const struct ends *ends)
{
    pid_t process;

    make_room(ends->socket, launch->setup_size);
    /* It lies in the socket until it is read. */
    if (send(ends->socket, launch->setup, launch->setup_size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return -1;
    launch->arguments[ROLE] = (char *)(uintptr_t)role;
    process = fork();
    if (process == 0)
        become_dispatcher(launch, ends);
    return process;
}

/* Waits for the path, or for the end without one. */
static ssize_t receive_path(struct launch *launch, struct ends *ends)
{
    ssize_t length;

    (void)close(ends->peer); /* so that the end can be seen */
    ends->peer = -1;
    do {
        length = recv(ends->socket, launch->path, sizeof(launch->path) - 1, 0);
    } while (length < 0 && errno == EINTR);
    return length;
}

int launch_try(struct launch *launch)
{
    struct ends_reserve none = {0};
    struct ends ends;
    pid_t process;
    ssize_t length;
    int status;

    if (ends_open(&ends, &none) != 0) {
        log_error("cannot try the command, as nothing can be shared with a dispatcher: %m%s",
                  errno == ENOSYS ? "; this takes memfd_create(2), of Linux 3.17" : "");
        return EXIT_FAILURE;
    }
    if ((process = execute(launch, "try", &ends)) < 0) {
        log_error("cannot try the command: %m");
        return EXIT_FAILURE;
    }
    length = receive_path(launch, &ends);
    ends_close(&ends);
    while (waitpid(process, &status, 0) < 0)
        if (errno != EINTR)
            log_bug("waitpid: %m");
    if (!WIFEXITED(status) || (WEXITSTATUS(status) == 0 && length <= 0)) {
        log_error("the dispatcher ended while it tried the command, with status %d", status);
        return EXIT_FAILURE;
    }
    launch->arguments[PATH] = launch->path;
    return WEXITSTATUS(status);
}

pid_t launch_dispatcher(struct launch *launch, const struct ends *ends)
{
    return execute(launch, "spare", ends);
}

void launch_close(struct launch *launch)
{
    (void)close(launch->program); /* nothing was read or written */
    free(launch->arguments);
    free(launch->setup);
    launch->program = -1;
    launch->setup = NULL;
    launch->arguments = NULL;
}
