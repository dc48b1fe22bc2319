/*
 * Linked into each program of builds with a leak checker.  The checker traces the process from
 * another one, which finds its threads in /proc.  Where either fails, it ends the process as if it
 * had found a leak.  So each process says before each check whether it can be checked.
 */
#include <sanitizer/lsan_interface.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A process that is traced already has its tracer.  The kernel may also forbid tracers (ptrace(2)):
 * if a dispatcher has a user of its own, not even a process with the same users may trace it.  This
 * tracer stops nothing, and its end leaves nothing behind. */
static bool another_can_look(void)
{
    const long looked_at = getpid();
    int status = 1;
    long process;

    /* The checker does that, too: with Yama, only an ancestor may trace otherwise. */
    (void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    process = syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);
    if (process == 0)
        (void)syscall(SYS_exit_group,
                      syscall(SYS_ptrace, PTRACE_SEIZE, looked_at, NULL, NULL) != 0);
    return process > 0 && waitpid((pid_t)process, &status, (int)__WCLONE) == process && status == 0;
}

/* The checker calls this before each check, the one at the exit included. */
int __lsan_is_turned_off(void)
{
    return access("/proc/self/task", R_OK) != 0 || !another_can_look();
}
