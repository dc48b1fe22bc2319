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

#include <dirent.h>
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

/* It looks there for threads; whoever has changed its user may be refused. */
static bool can_see_threads(void)
{
    DIR *directory = opendir("/proc/self/task");

    if (directory != NULL)
        (void)closedir(directory);
    return directory != NULL;
}

/* It takes a process.  This one sends no signal in the end. */
static bool can_fork(void)
{
    long process = syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);

    if (process == 0)
        (void)syscall(SYS_exit_group, 0);
    return process > 0 && waitpid((pid_t)process, NULL, __WCLONE) == process;
}

static void look(void)
{
    if (!is_traced() && can_see_threads() && can_fork() && __lsan_do_recoverable_leak_check() != 0)
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
