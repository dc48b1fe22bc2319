#include "supervisor/keeper/pid_file.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/backoff.h"
#include "supervisor/base/file.h"

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

/* Returns the number in the file; -1 if there is none. */
static long read_number(int descriptor)
{
    char text[NUMBER_MAXIMUM] = "";
    ssize_t length = pread(descriptor, text, sizeof(text) - 1, 0);
    long number = length > 0 ? strtol(text, NULL, 10) : 0;

    return number > 0 ? number : -1;
}

/* Returns true if this process may put its file there.  If not, `*holder` is the process that holds
 * the lock, or -1 if the file does not say; or 0 after logging why not. */
static bool is_free(const char *path, int directory, const char *name, pid_t replaced, long *holder)
{
    /* O_NONBLOCK: a named pipe would block. */
    int descriptor =
        openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    bool free = descriptor < 0 && errno == ENOENT;
    struct stat status;

    *holder = 0;
    if (free)
        return true;
    if (descriptor < 0) {
        log_error("--pid-file: cannot open %s, which exists: %m", path);
        return false;
    }
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
        log_error("--pid-file: %s exists, and is not a regular file", path);
    } else if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) {
        free = true;
    } else if (errno == EWOULDBLOCK) {
        *holder = read_number(descriptor);
        free = *holder == replaced;
    } else {
        log_error("--pid-file: cannot lock %s: %m", path);
    }
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

static int create(const char *path, int directory, const char *name, struct files *files)
{
    char temporary[NAME_MAX + 1];
    struct timespec now = {0};
    int descriptor;

    /* An unused name, even if an earlier process with our number left a file behind. */
    (void)clock_gettime(CLOCK_REALTIME, &now); /* 0 would do, too */
    (void)snprintf(temporary, sizeof(temporary), ".%.200s.%d.%09ld", name, getpid(), now.tv_nsec);
    descriptor = openat(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor < 0) {
        log_error("--pid-file: cannot create a file beside %s: %m", path);
        return -1;
    }
    if (!fill(descriptor))
        log_error("--pid-file: cannot write the temporary file for %s: %m", path);
    else if (files_add_temporary(files, temporary, path) == 0)
        return descriptor;
    (void)unlinkat(directory, temporary, 0); /* no remedy if it fails */
    (void)close(descriptor);                 /* nothing in it is needed */
    return -1;
}

int pid_file_open(const char *path, pid_t replaced, struct files *files)
{
    uint64_t until = 0;
    const char *name;
    int directory = file_open_directory(path, &name);
    int descriptor = -1;
    bool free;
    long holder;

    if (directory < 0) {
        log_error("--pid-file: cannot open the directory of %s: %m", path);
        return -1;
    }
    do {
        /* files_publish() finds a process that comes in between all the same. */
        if (!file_lock_directory(directory, FILE_LOCK_WAIT) && until == 0)
            log_warning("--pid-file: cannot lock the directory of %s, going on without: %m", path);
        free = is_free(path, directory, name, replaced, &holder);
        if (free)
            descriptor = create(path, directory, name, files);
        file_unlock_directory(
            directory); /* the process that holds the file may have to remove it */
    } while (!free && holder != 0 && backoff_pause(&until, "--pid-file: %s", path));
    (void)close(directory); /* it was only locked */
    if (!free && holder > 0)
        log_error("--pid-file: already running: process %ld holds %s", holder, path);
    else if (!free && holder < 0)
        log_error("--pid-file: already running: another process holds %s", path);
    return descriptor;
}
