#include "dispatcher/try.h"

#include "dispatcher/environment.h"
#include "dispatcher/setup.h"
#include "dispatcher/shared/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int refuse(const char *name, int error)
{
    errno = error;
    log_error("CMD: cannot execute '%s': %m", name);
    return error == ENOENT || error == ENOTDIR ? TRY_NOT_FOUND : TRY_NOT_EXECUTABLE;
}

/* ---- finding the executable ---- */

/* Returns 0, or the errno that execve(2) would give. */
static int check(const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return errno;
    if (!S_ISREG(status.st_mode))
        return EACCES;
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

/* Returns 0 or an errno.  The search in PATH goes on past a file that may not be executed; EACCES
 * is the result if it finds no other. */
static int find(const char *name, char path[PATH_MAX])
{
    const char *directory = getenv("PATH");
    int error = ENOENT;

    if (strchr(name, '/') != NULL)
        return snprintf(path, PATH_MAX, "%s", name) < PATH_MAX ? check(path) : ENAMETOOLONG;
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

/* ---- trying it ---- */

enum step {
    STEP_PREPARE, /* no pipe or no process */
    STEP_TRACE,
    STEP_USER,
    STEP_LIMIT,
    STEP_EXECUTE,
    STEP_SIGNAL, /* a signal ended the child before its first instruction */
    STEP_DONE
};

/* The step at which a trial ended, and its errno; the signal's number with STEP_SIGNAL. */
struct outcome {
    enum step step;
    int error;
};

/* What is tried: the exec of a command with an environment, with the limits of --limit or without.
 */
struct trial {
    const struct spawn_command *command;
    char **environment;
    bool limited;
};

/* Has `tracer`, our parent, trace this process, and stops it for take_hold().  The parent may be
 * killed at any time: without it, this process dies, too, and executes nothing. */
static bool be_traced(pid_t tracer)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return false;
    if (getppid() != tracer)
        _exit(0);
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 && raise(SIGSTOP) == 0;
}

/* Runs in the child.  Writes an outcome to `report`, or nothing if the exec succeeds. */
static _Noreturn void execute(const struct trial *trial, pid_t tracer, int report)
{
    const struct spawn_command *command = trial->command;
    struct outcome outcome = {.step = STEP_TRACE};
    sigset_t blocked;

    /* Any other signal would stop the traced child before its exec. */
    (void)sigfillset(&blocked);
    (void)sigdelset(&blocked, SIGTRAP);
    if (sigprocmask(SIG_SETMASK, &blocked, NULL) != 0 || !be_traced(tracer)) {
        outcome.error = errno;
    } else if ((outcome.error = (int)-setup_user(command->setup)) != 0) {
        outcome.step = STEP_USER;
    } else if (trial->limited && (outcome.error = (int)-setup_limits(command->setup)) != 0) {
        outcome.step = STEP_LIMIT;
    } else {
        (void)execve(command->path, command->arguments, trial->environment);
        outcome = (struct outcome){.step = STEP_EXECUTE, .error = errno};
    }
    (void)!write(report, &outcome, sizeof(outcome)); /* without it, the trial counts as unknown */
    _exit(0);
}

/* Waits until the child is traced, and makes the kernel kill it if this process is killed: a change
 * of its user would clear PR_SET_PDEATHSIG.  Does nothing if the child has ended. */
static void take_hold(pid_t process)
{
    siginfo_t information = {0};

    while (waitid(P_PID, (id_t)process, &information, WSTOPPED | WEXITED | WNOWAIT) != 0 &&
           errno == EINTR)
        continue;
    if (information.si_code != CLD_TRAPPED && information.si_code != CLD_STOPPED)
        return;
    (void)ptrace(PTRACE_SETOPTIONS, process, NULL, PTRACE_O_EXITKILL);
    (void)ptrace(PTRACE_CONT, process, NULL, NULL);
}

/* Waits until the exec stops the child or the child has ended, and kills a stopped child.  Returns
 * its first signal, SIGTRAP after an exec: an exec that fails past the point of no return kills the
 * process. */
static int end_tried(pid_t process)
{
    int first = 0;
    int status;

    while (waitpid(process, &status, 0) < 0 ? errno == EINTR : WIFSTOPPED(status)) {
        if (first == 0)
            first = WSTOPSIG(status);
        (void)kill(process, SIGKILL); /* a child that has not been reaped */
    }
    return first == 0 && WIFSIGNALED(status) ? WTERMSIG(status) : first;
}

static struct outcome attempt(const struct trial *trial)
{
    struct outcome outcome = {.step = STEP_PREPARE};
    const pid_t tracer = getpid();
    int ends[2];
    pid_t process;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return (struct outcome){.step = STEP_PREPARE, .error = errno};
    process = fork();
    if (process == 0)
        execute(trial, tracer, ends[1]);
    outcome.error = errno;
    (void)close(ends[1]);
    if (process > 0) {
        bool reported;
        int signal_number;

        take_hold(process);
        reported = read(ends[0], &outcome, sizeof(outcome)) == sizeof(outcome);
        signal_number = end_tried(process);

        if (!reported)
            outcome = (struct outcome){.step = signal_number == SIGTRAP ? STEP_DONE : STEP_SIGNAL,
                                       .error = signal_number};
    }
    (void)close(ends[0]);
    return outcome;
}

/* The file or its interpreter is to blame, and not the state of the machine.  EPERM is not here: a
 * tracer can cause it. */
static bool is_certain(struct outcome outcome)
{
    static const int certain[] = {ENOENT, ENOTDIR, EACCES, ENOEXEC,     ELIBBAD,
                                  EISDIR, ELOOP,   EINVAL, ENAMETOOLONG};

    if (outcome.step != STEP_EXECUTE)
        return outcome.step == STEP_LIMIT;
    for (size_t i = 0; i < sizeof(certain) / sizeof(*certain); i++)
        if (outcome.error == certain[i])
            return true;
    return false;
}

static bool is_too_long(struct outcome outcome)
{
    return outcome.step == STEP_EXECUTE && outcome.error == E2BIG;
}

/* Limits were asked for, and a limit that is too low could cause this outcome. */
static bool may_be_limit(const struct setup *setup, struct outcome outcome)
{
    for (unsigned i = 0; i < SETUP_LIMITS; i++)
        if (setup->limits[i].given != 0)
            return outcome.step == STEP_SIGNAL || is_too_long(outcome) ||
                   (outcome.step == STEP_EXECUTE &&
                    (outcome.error == ENOMEM || outcome.error == EAGAIN));
    return false;
}

/* ---- an environment that is too long ---- */

/* Copies an environment without `bytes` of it, as the kernel counts them.  `copy` has room for all
 * of its strings, and a NULL. */
static void shorten(char *const *environment, size_t bytes, char **copy)
{
    size_t kept = 0;

    for (; *environment != NULL; environment++) {
        size_t length = strlen(*environment);
        size_t cut = bytes < length ? bytes : length;

        if (bytes >= length + 1 + sizeof(*environment)) {
            bytes -= length + 1 + sizeof(*environment);
            continue;
        }
        copy[kept++] = *environment + cut;
        bytes -= cut;
    }
    copy[kept] = NULL;
}

/* Returns by how many bytes the environment of a trial is too long.  Only the kernel knows: it also
 * counts what the first line of a script names, for example. */
static size_t find_excess(const struct trial *trial, char **copy)
{
    struct trial shorter = *trial;
    size_t too_few = 0;
    size_t enough = environment_size(trial->environment);

    shorter.environment = copy;
    while (enough - too_few > 1) {
        size_t bytes = too_few + (enough - too_few) / 2;

        shorten(trial->environment, bytes, copy);
        *(is_too_long(attempt(&shorter)) ? &too_few : &enough) = bytes;
    }
    return enough;
}

static int refuse_long(const struct trial *trial)
{
    const struct setup *setup = trial->command->setup;
    const bool bare = setup->no_environment != 0 || setup->persistent != 0;
    const char *longest = "";
    size_t count = 0;
    size_t excess;
    char **copy;

    for (; trial->environment[count] != NULL; count++)
        if (strlen(trial->environment[count]) > strlen(longest))
            longest = trial->environment[count];
    copy = calloc(count + 1, sizeof(*copy));
    if (copy == NULL)
        return refuse(trial->command->arguments[0], E2BIG);
    excess = find_excess(trial, copy);
    free(copy);
    log_error("CMD: cannot execute '%s': %sits arguments and environment are up to %zu bytes too "
              "long for the kernel; shorten them (the longest variable is %.*s)%s or raise the "
              "limit on the stack (ulimit -s)",
              trial->command->arguments[0], bare ? "" : "with the variables of a connection, ",
              excess, (int)strcspn(longest, "="), longest, bare ? "" : ", give --no-env,");
    return TRY_NOT_EXECUTABLE;
}

/* ---- what it shows ---- */

static int judge(const struct trial *trial, struct outcome outcome)
{
    static const char *const steps[] = {
        [STEP_PREPARE] = "there is no process for it", [STEP_TRACE] = "tracing fails",
        [STEP_USER] = "changing its user fails",       [STEP_EXECUTE] = "executing it fails",
        [STEP_SIGNAL] = "a signal ended it",           [STEP_LIMIT] = "limiting it fails",
    };
    const char *name = trial->command->arguments[0];
    const struct trial unlimited = {.command = trial->command, .environment = trial->environment};
    const char *why =
        outcome.step == STEP_SIGNAL ? strsignal(outcome.error) : strerror(outcome.error);

    if (outcome.step == STEP_DONE)
        return 0;
    if (is_certain(outcome))
        return refuse(name, outcome.error);
    if (may_be_limit(trial->command->setup, outcome) && attempt(&unlimited).step == STEP_DONE) {
        log_error("CMD: cannot execute '%s': a limit of --limit is too low (%s)", name, why);
        return TRY_NOT_EXECUTABLE;
    }
    if (is_too_long(outcome))
        return refuse_long(trial);
    log_warning("CMD: cannot try '%s' before the start: %s (%s); a fault in it would show with the "
                "first client",
                name, steps[outcome.step], why);
    return 0;
}

int try_command(const struct spawn_command *command)
{
    static char path[PATH_MAX];
    struct spawn_command found = *command;
    struct trial trial = {.command = &found, .limited = true};
    int error = find(command->path, path);

    if (error != 0)
        return refuse(command->path, error);
    /* Before the trial, which the keeper can do without. */
    if (send(PROTOCOL_SOCKET, path, strlen(path), 0) < 0)
        log_die(1, "dispatcher: cannot tell the keeper where %s is: %m", command->path);
    found.path = path;
    trial.environment = command->setup->persistent != 0
                            ? environ /* a worker gets no variables of a connection */
                            : environment_longest(&command->setup->clients);
    return judge(&trial, attempt(&trial));
}
