#include "supervisor/keeper/pid_file.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/directory.h"
#include "supervisor/base/retry.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NUMBER_MAXIMUM = 16 };

/* ---- the present file ---- */

/* Returns the number in the file; 0 if there is none. */
static long read_number(int descriptor)
{
    char text[NUMBER_MAXIMUM] = "";
    ssize_t length = pread(descriptor, text, sizeof(text) - 1, 0);

    return length > 0 ? strtol(text, NULL, 10) : 0;
}

/* Returns whether this process may replace the file.  If not, `*holder` is the process that holds
 * the lock, or -1 if the file does not say; or it stays 0, and why not was logged. */
static bool may_replace(const char *path, int descriptor, pid_t replaced, long *holder)
{
    struct stat status;
    long process;

    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
        log_error("--pid-file: %s exists, and is not a regular file", path);
        return false;
    }
    if (flock(descriptor, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (errno != EWOULDBLOCK) {
        log_error("--pid-file: cannot lock %s: %m", path);
        return false;
    }
    process = read_number(descriptor);
    if (replaced != 0 && process == replaced)
        return true;
    *holder = process > 0 ? process : -1;
    return false;
}

static bool look_at_place(const char *path, int directory, const char *name, pid_t replaced,
                          long *holder)
{
    /* O_NONBLOCK: a named pipe would block. */
    int descriptor =
        openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    bool free;

    if (descriptor < 0) {
        if (errno == ENOENT)
            return true;
        log_error("--pid-file: cannot open %s, which exists: %m", path);
        return false;
    }
    free = may_replace(path, descriptor, replaced, holder);
    (void)close(descriptor); /* it was only read */
    return free;
}

/* ---- our file ---- */

/* Locks the file before its mode lets others open it. */
static bool fill(int descriptor)
{
    char text[NUMBER_MAXIMUM];
    int length = snprintf(text, sizeof(text), "%d\n", getpid());

    return flock(descriptor, LOCK_EX | LOCK_NB) == 0 && fchmod(descriptor, 0644) == 0 &&
           write(descriptor, text, (size_t)length) == length;
}

/* Makes up an unused name, even if an earlier process with our number left a file behind. */
static void name_temporary(char temporary[NAME_MAX + 1], const char *name)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_REALTIME, &now); /* 0 would do, too */
    (void)snprintf(temporary, NAME_MAX + 1, ".%.200s.%d.%09ld", name, getpid(), now.tv_nsec);
}

static int create(const char *path, int directory, const char *name, struct janitor *janitor)
{
    char temporary[NAME_MAX + 1];
    int descriptor;

    name_temporary(temporary, name);
    descriptor = openat(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor < 0) {
        log_error("--pid-file: cannot create a file beside %s: %m", path);
        return -1;
    }
    if (!fill(descriptor))
        log_error("--pid-file: cannot write the temporary file for %s: %m", path);
    else if (janitor_add_temporary(janitor, temporary, path) >= 0)
        return descriptor;
    (void)unlinkat(directory, temporary, 0); /* no remedy if it fails */
    (void)close(descriptor);                 /* nothing in it is needed */
    return -1;
}

int pid_file_open(const char *path, pid_t replaced, struct janitor *janitor)
{
    struct retry retry = {0};
    const char *name;
    int directory = directory_open(path, &name);
    int descriptor = -1;
    long holder;

    if (directory < 0) {
        log_error("--pid-file: cannot open the directory of %s: %m", path);
        return -1;
    }
    do {
        holder = 0;
        /* janitor_publish() finds a process that comes in between all the same. */
        if (!directory_lock(directory, DIRECTORY_LOCK_WAIT) && retry.until == 0)
            log_warning("--pid-file: cannot lock the directory of %s, going on without: %m", path);
        if (look_at_place(path, directory, name, replaced, &holder))
            descriptor = create(path, directory, name, janitor);
        directory_unlock(directory); /* the process that holds the file may have to remove it */
    } while (holder != 0 && retry_pause(&retry, "--pid-file: %s", path));
    (void)close(directory); /* it was only locked */
    if (holder > 0)
        log_error("--pid-file: already running: process %ld holds %s", holder, path);
    else if (holder < 0)
        log_error("--pid-file: already running: another process holds %s", path);
    return descriptor;
}
