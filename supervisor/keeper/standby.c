#include "supervisor/keeper/standby.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/backoff.h"
#include "supervisor/base/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    GROWN_MOST = 65536,      /* descriptors; 512 KiB of the kernel's memory */
    LONG_LIFE = LOOP_SECOND, /* a supervisor that was killed later did no harm by being started */
    FAILING = 2, /* one that is useless may have been killed by chance, or by a client */
    DELAY_FIRST = 10 * LOOP_MILLISECOND,
    DELAY_LONGEST = 5 * LOOP_SECOND
};

uint64_t standby_recovers_at(const struct standby *standby)
{
    return standby->useless < FAILING || standby->served != standby->served_before
               ? 0
               : standby->began + LONG_LIFE;
}

bool standby_is_failing(const struct standby *standby, uint64_t now)
{
    return now < standby_recovers_at(standby);
}

void standby_grow(uint32_t descriptors)
{
    int most = descriptors < GROWN_MOST ? (int)descriptors : GROWN_MOST;
    int highest = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, most - 1);

    if (highest >= 0)
        (void)close(highest); /* the table keeps its size */
}

/* libc's fork() has no CLONE_FILES.  With one thread and no lock held, nothing else that it does is
 * needed. */
static pid_t clone_supervisor(struct standby *standby)
{
    const long flags = CLONE_FILES | CLONE_PARENT_SETTID | SIGCHLD;

#ifdef __s390__
    return (pid_t)syscall(SYS_clone, NULL, flags, &standby->process, NULL, NULL);
#else
    return (pid_t)syscall(SYS_clone, flags, NULL, &standby->process, NULL, NULL);
#endif
}

static int await(pid_t process)
{
    int status;

    while (waitpid(process, &status, 0) < 0)
        if (errno != EINTR)
            log_bug("waitpid: %m");
    return status;
}

/* Ends as the supervisor did, or meant to. */
static _Noreturn void follow(const struct standby *standby, int status)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGINT)
        signals_die_of(SIGINT);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && standby->ended)
        _exit(standby->exit_status); /* nothing was left to be done */
    if (WIFSIGNALED(status))
        log_error("the supervisor was killed by signal %d", WTERMSIG(status));
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE); /* nothing to flush */
}

static void pause_for(uint64_t microseconds)
{
    (void)poll(NULL, 0, (int)(microseconds / LOOP_MILLISECOND)); /* all signals are blocked */
}

/* Takes note whether the dead supervisor was of use, and waits if it was not. */
static void judge(struct standby *standby, struct backoff *delay)
{
    if (standby->served != standby->served_before || loop_clock() - standby->began >= LONG_LIFE) {
        standby->useless = 0;
        backoff_succeeded(delay);
        return;
    }
    standby->useless++;
    backoff_failed(delay, loop_clock());
    if (standby->useless >= FAILING)
        log_error("not serving: %u supervisors in a row have died before they started a handler; "
                  "the next one begins in %d ms",
                  standby->useless, (int)(delay->delay / LOOP_MILLISECOND));
    pause_for(delay->delay);
}

/* Returns true if another supervisor is to take the place of one that ended with this status. */
static bool is_replaced(const struct standby *standby, int status)
{
    return (WIFSIGNALED(status) || WEXITSTATUS(status) == STANDBY_AGAIN) && standby->begun &&
           !standby->ended;
}

/* `keeper` was our parent at the beginning. */
static void leave_without_keeper(pid_t keeper)
{
    if (getppid() == keeper)
        return;
    log_error("the keeper is dead, and no supervisor lives long enough to serve: ending");
    _exit(EXIT_FAILURE); /* nothing to flush */
}

void standby_run(struct standby *standby, int (*supervise)(void *context), void *context)
{
    struct backoff delay = {.first = DELAY_FIRST, .longest = DELAY_LONGEST};
    const pid_t keeper = getppid();

    for (;;) {
        pid_t process;
        int status;

        standby->served_before = standby->served;
        standby->began = loop_clock();
        process = clone_supervisor(standby);
        if (process == 0)
            exit(supervise(context));
        if (process < 0 && !standby->begun)
            log_die(EXIT_FAILURE, "cannot create the supervisor: %m");
        if (process < 0) {
            log_error("cannot create the supervisor: %m; trying again");
            pause_for(LOOP_SECOND);
            continue;
        }
        status = await(process);
        if (!is_replaced(standby, status))
            follow(standby, status);
        if (WIFSIGNALED(status))
            log_warning("the supervisor, process %d, was killed by signal %d: another takes its "
                        "place",
                        process, WTERMSIG(status));
        standby->killed_by = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        judge(standby, &delay);
        if (delay.delay == DELAY_LONGEST)
            leave_without_keeper(keeper);
    }
}
