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
    GROWN_MOST = 65536,     /* descriptors; 512 KiB of the kernel's memory */
    LONG_LIFE = LOOP_SECOND /* a supervisor that was killed later did no harm by being started */
};

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

/* Ends as the supervisor did. */
static _Noreturn void follow(int status)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGINT)
        signals_die_of(SIGINT);
    if (WIFSIGNALED(status))
        log_error("the supervisor was killed by signal %d", WTERMSIG(status));
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE); /* nothing to flush */
}

static void pause_for(uint64_t microseconds)
{
    (void)poll(NULL, 0, (int)(microseconds / LOOP_MILLISECOND)); /* all signals are blocked */
}

void standby_run(struct standby *standby, int (*supervise)(void *context, unsigned life),
                 void *context)
{
    struct backoff useless = {.first = 10 * LOOP_MILLISECOND, .longest = 5 * LOOP_SECOND};

    for (unsigned life = 0;; life++) {
        uint64_t served = standby->served;
        uint64_t began = loop_clock();
        pid_t process = clone_supervisor(standby);
        int status;

        if (process == 0)
            exit(supervise(context, life));
        if (process < 0 && !standby->begun)
            log_die(EXIT_FAILURE, "cannot create the supervisor: %m");
        if (process < 0) {
            log_error("cannot create the supervisor: %m; trying again");
            pause_for(LOOP_SECOND);
            continue;
        }
        status = await(process);
        if ((WIFEXITED(status) && WEXITSTATUS(status) != STANDBY_AGAIN) || !standby->begun ||
            standby->ended)
            follow(status);
        if (WIFSIGNALED(status))
            log_warning("the supervisor, process %d, was killed by signal %d: another takes its "
                        "place",
                        process, WTERMSIG(status));
        standby->killed_by = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        if (standby->served != served || loop_clock() - began >= LONG_LIFE) {
            backoff_succeeded(&useless);
            continue;
        }
        backoff_failed(&useless, loop_clock());
        pause_for(useless.delay);
    }
}
