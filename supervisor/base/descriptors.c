#include "supervisor/base/descriptors.h"

#include "dispatcher/protocol.h"
#include "dispatcher/shared/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { UNUSED_IN_A_ROW = 256 };

/* Before Linux 5.9: closes only open descriptors, because the limit may be a billion.  Returns
 * false without /proc or without a free descriptor to read it. */
static bool close_open(unsigned first, unsigned last)
{
    DIR *directory = opendir("/proc/self/fd");
    const struct dirent *entry;

    if (directory == NULL)
        return false;
    while ((entry = readdir(directory)) != NULL) {
        unsigned long descriptor = strtoul(entry->d_name, NULL, 10); /* 0 for "." and ".." */

        if (descriptor >= first && descriptor <= last && (int)descriptor != dirfd(directory))
            (void)close((int)descriptor); /* whatever it is */
    }
    (void)closedir(directory); /* only read */
    return true;
}

/* Closes the descriptors of a range above 0. */
static int close_range_of(unsigned first, unsigned last)
{
    struct rlimit limit;

    if (first > last || syscall(SYS_close_range, first, last, 0) == 0)
        return 0;
    /* Some containers answer EPERM to unknown calls. */
    if (errno != ENOSYS && errno != EPERM)
        return -1;
    if (close_open(first, last))
        return 0;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return -1;
    for (unsigned descriptor = first; descriptor <= last && descriptor < limit.rlim_cur;
         descriptor++)
        (void)close((int)descriptor); /* fails if it is not open */
    return 0;
}

/* Returns the lowest kept number above `last`; -1: none. */
static int next_kept(int *const *kept, size_t count, int last)
{
    int next = -1;

    for (size_t i = 0; i < count; i++)
        if (*kept[i] > last && (next < 0 || *kept[i] < next))
            next = *kept[i];
    return next;
}

int descriptors_close_others(int *const *kept, size_t count)
{
    int last = STDERR_FILENO;
    int next;

    while ((next = next_kept(kept, count, last)) >= 0) {
        if (close_range_of((unsigned)last + 1, (unsigned)next - 1) != 0)
            return -1;
        last = next;
    }
    return close_range_of((unsigned)last + 1, ~0u);
}

/* Opens /dev/null until every number up to PROTOCOL_LAST is taken; the last of them was free.
 * Nothing reads 0 or writes 1, which might be directories, too. */
static int fill(void)
{
    int descriptor;

    do {
        descriptor = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (descriptor < 0)
            return -1;
    } while (descriptor < PROTOCOL_LAST);
    if (dup2(descriptor, STDIN_FILENO) < 0 || dup2(descriptor, STDOUT_FILENO) < 0)
        return -1;
    return fcntl(STDERR_FILENO, F_SETFD, 0);
}

/* Makes a passed descriptor close-on-exec, and moves it to the lowest free number above
 * PROTOCOL_LAST: a high number would leave the gap that descriptors_used() takes for the end. */
static int protect(int *descriptor)
{
    int moved;

    if (*descriptor < 0)
        return 0;
    moved = fcntl(*descriptor, F_DUPFD_CLOEXEC, PROTOCOL_LAST + 1);
    if (moved < 0)
        return -1;
    (void)close(*descriptor); /* replaced by the copy */
    *descriptor = moved;
    return 0;
}

static int protect_all(int *const *kept, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (protect(kept[i]) != 0)
            return -1;
    return 0;
}

int descriptors_prepare(int *const *kept, size_t count)
{
    if (protect_all(kept, count) == 0 && descriptors_close_others(kept, count) == 0 && fill() == 0)
        return 0;
    log_error("cannot prepare the open descriptors: %m");
    return -1;
}

uint32_t descriptors_raise(struct rlimit *original)
{
    struct rlimit raised;

    if (getrlimit(RLIMIT_NOFILE, original) != 0)
        log_bug("getrlimit: %m");
    raised = *original;
    raised.rlim_cur = raised.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &raised) != 0) {
        log_warning("cannot raise the limit on open descriptors from %llu to %llu: %m",
                    (unsigned long long)original->rlim_cur, (unsigned long long)original->rlim_max);
        raised = *original;
    }
    return raised.rlim_cur > INT32_MAX ? INT32_MAX : (uint32_t)raised.rlim_cur;
}

uint32_t descriptors_used(uint32_t limit)
{
    uint32_t used = 0;
    uint32_t unused = 0; /* numbers since the last open one */

    for (uint32_t descriptor = 0; descriptor < limit && unused < UNUSED_IN_A_ROW; descriptor++) {
        bool open = fcntl((int)descriptor, F_GETFD) >= 0;

        used += open;
        unused = open ? 0 : unused + 1;
    }
    return used;
}
