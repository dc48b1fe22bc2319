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

#include <fcntl.h>
#include <sanitizer/lsan_interface.h>
#include <stdio.h>
#include <sys/wait.h>

/* It traces the process, which but one can do at a time. */
static bool is_traced(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[128];
    int tracer = 0;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "TracerPid: %d", &tracer) == 1)
            break;
    if (file != NULL)
        (void)fclose(file);
    return file == NULL || tracer != 0;
}

/* It is done by another process, which this tries, and which may not be allowed to look into this
 * one, if the group or user was changed.  It sends no signal in the end. */
static bool another_can_look(void)
{
    char path[32];
    int status = 1;
    long process;

    (void)snprintf(path, sizeof(path), "/proc/%d/task", getpid());
    process = syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);
    if (process == 0)
        (void)syscall(SYS_exit_group, syscall(SYS_openat, AT_FDCWD, path, O_RDONLY) < 0);
    return process > 0 && waitpid((pid_t)process, &status, (int)__WCLONE) == process && status == 0;
}

static void look(void)
{
    if (!is_traced() && another_can_look() && __lsan_do_recoverable_leak_check() != 0)
        _exit(99);
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
