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

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1u << 2) /* of linux/close_range.h, which some libcs lack */
#endif

enum { UNUSED_IN_A_ROW = 1 << 16 };

static void change(unsigned descriptor, unsigned flags)
{
    if (flags == 0)
        (void)close((int)descriptor); /* fails if it is not open */
    else
        (void)fcntl((int)descriptor, F_SETFD, FD_CLOEXEC); /* fails if it is not open */
}

/* Before Linux 5.11: changes only open descriptors, because the limit may be a billion.  Returns
 * false without /proc or without a free descriptor to read it. */
static bool change_open(unsigned first, unsigned last, unsigned flags)
{
    DIR *directory = opendir("/proc/self/fd");
    const struct dirent *entry;

    if (directory == NULL)
        return false;
    while ((entry = readdir(directory)) != NULL) {
        unsigned long descriptor = strtoul(entry->d_name, NULL, 10); /* 0 for "." and ".." */

        if (descriptor >= first && descriptor <= last && (int)descriptor != dirfd(directory))
            change((unsigned)descriptor, flags);
    }
    (void)closedir(directory); /* only read */
    return true;
}

/* Closes the descriptors of a range above 0, or sets close-on-exec. */
static int change_range(unsigned first, unsigned last, unsigned flags)
{
    struct rlimit limit;

    if (first > last || syscall(SYS_close_range, first, last, flags) == 0)
        return 0;
    /* Some containers answer EPERM to unknown calls. */
    if (errno != ENOSYS && errno != EINVAL && errno != EPERM)
        return -1;
    if (change_open(first, last, flags))
        return 0;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return -1;
    for (unsigned descriptor = first; descriptor <= last && descriptor < limit.rlim_cur;
         descriptor++)
        change(descriptor, flags);
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

/* A stray descriptor might be a directory, which would lead out of the empty root. */
static int close_others(int *const *kept, size_t count)
{
    int last = STDERR_FILENO;
    int next;

    while ((next = next_kept(kept, count, last)) >= 0) {
        if (change_range((unsigned)last + 1, (unsigned)next - 1, 0) != 0)
            return -1;
        last = next;
    }
    return change_range((unsigned)last + 1, ~0u, 0);
}

/* Nothing reads 0 or writes 1; they might be directories, too. */
static int blind(void)
{
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (nothing < 0)
        return -1;
    if (dup2(nothing, STDIN_FILENO) < 0 || dup2(nothing, STDOUT_FILENO) < 0)
        return -1;
    (void)close(nothing); /* 0 and 1 are copies */
    return 0;
}

/* Opens /dev/null until every number up to `last` is taken. */
static int fill(int last)
{
    int descriptor;

    do {
        descriptor = open("/dev/null", O_RDWR);
        if (descriptor < 0)
            return -1;
    } while (descriptor < last);
    if (descriptor > last)
        (void)close(descriptor); /* one too many: all numbers were taken */
    return 0;
}

static int move(int *descriptor)
{
    int moved = fcntl(*descriptor, F_DUPFD_CLOEXEC, PROTOCOL_LAST + 1);

    if (moved < 0)
        return -1;
    (void)close(*descriptor); /* replaced by the copy */
    *descriptor = moved;
    return 0;
}

static int move_all(int *const *kept, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (*kept[i] >= 0 && *kept[i] <= PROTOCOL_LAST && move(kept[i]) != 0)
            return -1;
    return 0;
}

int descriptors_prepare(int *const *kept, size_t count)
{
    if (move_all(kept, count) == 0 && close_others(kept, count) == 0 && fill(PROTOCOL_LAST) == 0 &&
        blind() == 0 && change_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC) == 0)
        return 0;
    log_error("cannot prepare the open descriptors: %m");
    return -1;
}

static int compare(const void *one, const void *other)
{
    return *(const int *)one - *(const int *)other;
}

int descriptors_close_others(int *kept, unsigned count)
{
    unsigned first = STDERR_FILENO + 1;

    qsort(kept, count, sizeof(*kept), compare);
    for (unsigned i = 0; i < count; i++) {
        if (change_range(first, (unsigned)kept[i] - 1, 0) != 0)
            return -1;
        first = (unsigned)kept[i] + 1;
    }
    return change_range(first, ~0u, 0);
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

/* Without /proc.  The kernel assigns the lowest free number, so a long gap is followed at most by
 * descriptors that were passed to this process, and those are soon closed. */
static uint32_t count_one_by_one(uint32_t limit)
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

uint32_t descriptors_used(uint32_t limit)
{
    DIR *directory = opendir("/proc/self/fd");
    uint32_t used = 0;

    if (directory == NULL)
        return count_one_by_one(limit);
    while (readdir(directory) != NULL)
        used++;
    (void)closedir(directory);
    return used - 3; /* ".", ".." and the directory itself */
}
