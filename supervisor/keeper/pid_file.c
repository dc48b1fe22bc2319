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
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NUMBER_MAXIMUM = 16, LINE_MAXIMUM = 256 };

/* ---- the present file ---- */

/* Returns the number in the file; -1 if there is none. */
static long read_number(int descriptor)
{
    char text[NUMBER_MAXIMUM] = "";
    ssize_t length = pread(descriptor, text, sizeof(text) - 1, 0);
    long number = length > 0 ? strtol(text, NULL, 10) : 0;

    return number > 0 ? number : -1;
}

/* Returns true if that process has locked the file, as earlier versions of this program did.  Any
 * user who may read the file can lock it, but cannot do so as the process that the file names. */
static bool is_locked_by(int descriptor, long process)
{
    struct stat status;
    FILE *locks = fopen("/proc/locks", "re");
    char line[LINE_MAXIMUM];
    bool found = false;

    if (locks == NULL)
        return false; /* such a version is not noticed without /proc */
    while (fstat(descriptor, &status) == 0 && !found && fgets(line, sizeof(line), locks) != NULL) {
        long owner = -1;
        unsigned long long inode = 0;

        // NOLINTNEXTLINE(cert-err34-c): the kernel writes numbers
        found = sscanf(line, "%*s FLOCK ADVISORY WRITE %ld %*x:%*x:%llu", &owner, &inode) == 2 &&
                owner == process && inode == status.st_ino;
    }
    (void)fclose(locks); /* it was only read */
    return found;
}

/* Returns true if this process may put its file there.  If not, `*holder` is the process that holds
 * the name, or -1 if the file does not say; or 0 after logging why not. */
static bool is_free(const char *path, int directory, const char *name, int lock, pid_t replaced,
                    long *holder)
{
    /* O_NONBLOCK: a named pipe would block. */
    int descriptor =
        openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    bool held = lock >= 0 && file_is_held(lock);
    struct stat status;

    *holder = held ? -1 : 0;
    if (descriptor < 0 && errno == ENOENT)
        return !held;
    if (descriptor < 0) {
        log_error("--pid-file: cannot open %s, which exists: %m", path);
        *holder = 0;
        return false;
    }
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
        log_error("--pid-file: %s exists, and is not a regular file", path);
        *holder = 0;
    } else {
        *holder = read_number(descriptor);
        held = held || is_locked_by(descriptor, *holder);
        held = held && *holder != replaced;
    }
    (void)close(descriptor); /* it was only read */
    return *holder != 0 && !held;
}

/* ---- our file ---- */

static bool fill(int descriptor)
{
    char text[NUMBER_MAXIMUM];
    int length = snprintf(text, sizeof(text), "%d\n", getpid());

    return fchmod(descriptor, 0644) == 0 && write(descriptor, text, (size_t)length) == length;
}

static int create(const char *path, int directory, const char *name, struct files *files)
{
    char temporary[NAME_MAX + 1];
    struct timespec now = {0};
    int descriptor;
    int result = -1;

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
    else
        result = files_add_temporary(files, temporary, path);
    if (result != 0)
        (void)unlinkat(directory, temporary, 0); /* no remedy if it fails */
    (void)close(descriptor); /* so short a text waits for nothing, and a crash may lose it */
    return result;
}

/* Makes the file under the lock of its name, and goes on holding the name. */
static int make(const char *path, int directory, const char *name, int lock, struct files *files)
{
    int result = create(path, directory, name, files);

    if (result != 0 || lock < 0) {
        file_unlock(directory, name, lock);
    } else if (file_hold(lock) == 0) {
        files->held = lock;
    } else {
        log_warning("--pid-file: cannot lock %s, going on without: %m", path);
        (void)close(lock); /* nothing was written */
    }
    return result;
}

int pid_file_open(const char *path, pid_t replaced, struct files *files)
{
    uint64_t until = 0;
    const char *name;
    int directory = file_open_directory(path, &name);
    int result = -1;
    bool free;
    long holder;

    if (directory < 0) {
        log_error("--pid-file: cannot open the directory of %s: %m", path);
        return -1;
    }
    do {
        int lock = file_lock(directory, name, FILE_LOCK_WAIT);
        int error = errno;

        free = is_free(path, directory, name, lock, replaced, &holder);
        if (free)
            result = make(path, directory, name, lock, files);
        else
            file_unlock(directory, name, lock); /* the process that holds the name may remove it */
        errno = error;
        if (result == 0 && lock < 0) /* files_publish() still finds a process that comes between */
            log_warning("--pid-file: cannot lock %s, going on without: %m", path);
    } while (!free && holder != 0 && backoff_pause(&until, "--pid-file: %s", path));
    (void)close(directory); /* O_PATH: not even read */
    if (!free && holder > 0)
        log_error("--pid-file: already running: process %ld holds %s", holder, path);
    else if (!free && holder < 0)
        log_error("--pid-file: already running: another process holds %s", path);
    return result;
}

bool pid_file_check(const char *path)
{
    const char *name;
    int directory = file_open_directory(path, &name);
    long holder = -1;
    bool right;

    if (directory < 0) {
        log_error("--pid-file: cannot open the directory of %s: %m", path);
        return false;
    }
    right = is_free(path, directory, name, -1, 0, &holder) || holder != 0;
    (void)close(directory); /* O_PATH: not even read */
    if (file_check_directory(path) == 0)
        return right;
    log_error("--pid-file: cannot create a file beside %s: %m", path);
    return false;
}
