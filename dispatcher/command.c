#include "dispatcher/command.h"

#include "dispatcher/setup.h"
#include "dispatcher/shared/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* 0, or the errno that executing it would give. */
static int check(const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return errno;
    if (!S_ISREG(status.st_mode))
        return EACCES;
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

static int refuse(const char *name, int error)
{
    errno = error;
    log_error("CMD: cannot execute '%s': %m", name);
    return error == ENOENT || error == ENOTDIR ? COMMAND_NOT_FOUND : COMMAND_NOT_EXECUTABLE;
}

static int check_path(const char *name, char path[PATH_MAX])
{
    if (snprintf(path, PATH_MAX, "%s", name) >= PATH_MAX)
        return ENAMETOOLONG;
    return check(path);
}

/* A file that may not be executed does not end the search, but is what is told if nothing else is
 * found. */
static int search(const char *name, char path[PATH_MAX])
{
    const char *directory = getenv("PATH");
    int error = ENOENT;

    if (directory == NULL)
        directory = "/bin:/usr/bin";
    for (;;) {
        int length = (int)strcspn(directory, ":");
        int written = length == 0 ? snprintf(path, PATH_MAX, "./%s", name)
                                  : snprintf(path, PATH_MAX, "%.*s/%s", length, directory, name);
        if (written < PATH_MAX) {
            int found = check(path);
            if (found == 0)
                return 0;
            if (found == EACCES)
                error = found;
        }
        if (directory[length] == '\0')
            return error;
        directory += length + 1;
    }
}

int command_find(const char *name, char path[PATH_MAX])
{
    int error = strchr(name, '/') != NULL ? check_path(name, path) : search(name, path);

    return error == 0 ? 0 : refuse(name, error);
}

/* ---- trying it ---- */

/* Runs in the child.  A failed exec leaves its errno in the pipe, any other way nothing. */
static _Noreturn void execute(const struct spawn_command *command, int failure)
{
    sigset_t blocked;
    int error;

    /* Any other signal would stop it before its exec, as a tracer wants to know of each. */
    (void)sigfillset(&blocked);
    (void)sigdelset(&blocked, SIGTRAP);
    if (sigprocmask(SIG_SETMASK, &blocked, NULL) != 0 || ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(0); /* we are traced ourselves, or it is forbidden */
    error = (int)-setup_limits(command->setup);
    if (error == 0) {
        (void)execve(command->path, command->arguments, environ);
        error = errno;
    }
    (void)!write(failure, &error, sizeof(error)); /* if this fails, so will the first handler */
    _exit(0);
}

/* Waits until the child is stopped by its exec, and ends it then, or has ended.  Returns 0, or the
 * signal that it got instead: an exec that fails when the old program is given up already can only
 * end the process. */
static int end_tried(pid_t process)
{
    int first = 0;
    int status;

    while (waitpid(process, &status, 0) < 0 ? errno == EINTR : WIFSTOPPED(status)) {
        if (first == 0)
            first = WSTOPSIG(status);
        (void)kill(process, SIGKILL); /* a child that has not been reaped */
    }
    if (first == 0 && WIFSIGNALED(status))
        first = WTERMSIG(status);
    return first == SIGTRAP ? 0 : first;
}

int command_try(const struct spawn_command *command)
{
    int error = 0;
    int signal_number = 0;
    int ends[2];
    pid_t process;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return refuse(command->arguments[0], errno);
    process = fork();
    if (process == 0)
        execute(command, ends[1]);
    if (process < 0)
        error = errno;
    (void)close(ends[1]);
    if (process > 0 && read(ends[0], &error, sizeof(error)) < (ssize_t)sizeof(error))
        error = 0; /* the exec has closed it */
    (void)close(ends[0]);
    if (process > 0)
        signal_number = end_tried(process);
    if (error != 0)
        return refuse(command->arguments[0], error);
    if (signal_number == 0)
        return 0;
    log_error("CMD: cannot execute '%s': signal %d ended it before it began; is a limit too low?",
              command->arguments[0], signal_number);
    return COMMAND_NOT_EXECUTABLE;
}
