/*
 * Linked into the dispatcher of builds that look for leaks.  At its end it is too late for that:
 * its supervisor kills it.  So it looks meanwhile: when it waits for the 1st, 2nd, 4th, 8th time
 * and so on.
 */
#include <poll.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef EXAMINED

#include <valgrind/memcheck.h>

static void look(void)
{
    VALGRIND_DO_ADDED_LEAK_CHECK; /* what it finds, it reports */
}

#else

#include <sanitizer/lsan_interface.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#define LEAKS 99

/* A leak check traces the process from another one, which may not be allowed to (ptrace(2)): if a
 * dispatcher has a user of its own, not even a process with the same users is; and one that is
 * traced already has its tracer.  This tracer stops nothing, and its end leaves nothing behind. */
static bool another_can_look(void)
{
    const long looked_at = getpid();
    int status = 1;
    long process;

    (void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0,
                0); /* as the check does; not needed everywhere */
    process = syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);
    if (process == 0)
        (void)syscall(SYS_exit_group,
                      syscall(SYS_ptrace, PTRACE_SEIZE, looked_at, NULL, NULL) != 0);
    return process > 0 && waitpid((pid_t)process, &status, (int)__WCLONE) == process && status == 0;
}

int __lsan_is_turned_off(void);

/* The checker asks before each check, the one at the exit included. */
int __lsan_is_turned_off(void)
{
    return !another_can_look();
}

/* A copy of the process looks: a SIGCONT from the supervisor would take back the SIGSTOP with which
 * the check begins, and the check would wait for ever.  The copy sends no signal when it ends. */
static void look(void)
{
    int status = 0;
    long copy = syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);

    if (copy == 0)
        (void)syscall(SYS_exit_group, __lsan_do_recoverable_leak_check() != 0 ? LEAKS : 0);
    if (copy > 0 && waitpid((pid_t)copy, &status, (int)__WCLONE) == copy && WIFEXITED(status) &&
        WEXITSTATUS(status) == LEAKS)
        _exit(LEAKS);
}

#endif

/* Stands before libc's, or the sanitizer's. */
int poll(struct pollfd *events, nfds_t count, int timeout)
{
    static unsigned times;

    times++;
    if ((times & (times - 1)) == 0)
        look();
    return (int)syscall(SYS_poll, events, count, timeout);
}
