/*
 * Linked into the dispatcher of builds that look for leaks.  At its end it is too late for that:
 * its supervisor kills it.  So it looks meanwhile: when it waits for the 1st, 2nd, 4th, 8th time
 * and so on.
 */
#include <poll.h>
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
#include <sys/wait.h>

#define LEAKS 99

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
