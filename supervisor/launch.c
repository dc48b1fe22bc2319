#include "supervisor/launch.h"

#include "dispatcher/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
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
    if (program < 0)
        program = open(LIBEXEC_DIRECTORY "/dispatcher", O_PATH | O_CLOEXEC);
    if (program < 0)
        log_error("cannot find the dispatcher, neither as %s nor as %s: %m",
                  slash == NULL ? "a neighbour of this program" : path,
                  LIBEXEC_DIRECTORY "/dispatcher");
    return program;
}

int launch_prepare(struct launch *launch, const char *path, char *const *command,
                   const struct rlimit *limit)
{
    size_t count = 0;

    while (command[count] != NULL)
        count++;
    *launch = (struct launch){.limit = *limit, .program = open_program()};
    if (launch->program < 0)
        return -1;
    for (int i = 0; i < LAUNCH_DESCRIPTORS; i++)
        launch->reserve[i] = -1;
    launch->arguments = calloc(count + 3, sizeof(*launch->arguments));
    if (launch->arguments == NULL) {
        log_error("cannot prepare the dispatchers: %m");
        return -1;
    }
    launch->arguments[0] = (char *)(uintptr_t) "dispatcher"; /* exec only reads them */
    launch->arguments[1] = (char *)(uintptr_t)path;
    memcpy(&launch->arguments[2], command, count * sizeof(*command));
    return 0;
}

/* Runs in the new process.  Descriptors 3 and 4 are never other than these two (descriptors.h), so
 * neither can be overwritten before it is in place; the rest is close-on-exec. */
static _Noreturn void become_dispatcher(const struct launch *launch, int socket, int memory)
{
    if (dup2(socket, PROTOCOL_SOCKET) < 0 || dup2(memory, PROTOCOL_LEDGER) < 0 ||
        setrlimit(RLIMIT_NOFILE, &launch->limit) != 0)
        log_error("cannot prepare a dispatcher: %m");
    else if (fexecve(launch->program, launch->arguments, environ) != 0)
        log_error("cannot execute the dispatcher: %m");
    _exit(127);
}

static int open_ledger(struct ledger **ledger)
{
    int memory = memfd_create("dampener-ledger", MFD_CLOEXEC);
    void *mapping;

    if (memory < 0)
        return -1;
    if (ftruncate(memory, sizeof(struct ledger)) == 0) {
        mapping = mmap(NULL, sizeof(struct ledger), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
        if (mapping != MAP_FAILED) {
            *ledger = mapping;
            return memory;
        }
    }
    (void)close(memory); /* nothing was written */
    return -1;
}

static void release_reserve(struct launch *launch)
{
    for (int i = 0; i < LAUNCH_DESCRIPTORS; i++) {
        if (launch->reserve[i] >= 0)
            (void)close(launch->reserve[i]); /* there is nothing in it */
        launch->reserve[i] = -1;
    }
}

/* What cannot be had again now, is had the next time. */
static void take_reserve(struct launch *launch)
{
    for (int i = 0; i < LAUNCH_DESCRIPTORS; i++)
        if (launch->reserve[i] < 0)
            launch->reserve[i] = fcntl(launch->program, F_DUPFD_CLOEXEC, 0);
}

static int launch_process(const struct launch *launch, struct launched *launched)
{
    int ends[2];
    int memory = open_ledger(&launched->ledger);
    int error;

    if (memory < 0)
        return -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0) {
        launched->process = fork();
        error = errno;
        if (launched->process == 0)
            become_dispatcher(launch, ends[1], memory);
        (void)close(memory); /* mapped here, and inherited there */
        launched->socket = ends[0];
        launched->peer = ends[1];
        if (launched->process > 0)
            return 0;
        (void)close(ends[0]);
        (void)close(ends[1]);
    } else {
        error = errno;
        (void)close(memory);
    }
    (void)munmap(launched->ledger, sizeof(*launched->ledger));
    errno = error;
    return -1;
}

int launch_dispatcher(struct launch *launch, struct launched *launched)
{
    int result;
    int error;

    release_reserve(launch);
    result = launch_process(launch, launched);
    error = errno;
    take_reserve(launch);
    errno = error;
    return result;
}
