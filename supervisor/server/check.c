#include "supervisor/server/check.h"

#include "dispatcher/shared/log.h"
#include "supervisor/admission/gates.h"
#include "supervisor/base/file.h"
#include "supervisor/keeper/launch.h"
#include "supervisor/keeper/pid_file.h"
#include "supervisor/listen/binding.h"
#include "supervisor/listen/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The daemon there is not asked: it could only say that it can be taken over now. */
static bool check_predecessor(const char *path)
{
    struct stat status;
    bool there = stat(path, &status) == 0;

    if (there && S_ISSOCK(status.st_mode))
        return true;
    errno = there ? ENOTSOCK : errno;
    log_error("--takeover: cannot connect to %s: %m; expected the --control socket of a daemon "
              "that runs",
              path);
    return false;
}

/* Checks a file that exists.  A device is not opened, because that could change something. */
static int check_file(const char *path, mode_t mode)
{
    int file;

    if (S_ISDIR(mode) || S_ISSOCK(mode)) {
        errno = S_ISDIR(mode) ? EISDIR : ENXIO;
        return -1;
    }
    if (!S_ISREG(mode) && !S_ISFIFO(mode))
        return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS);
    file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (file >= 0)
        (void)close(file); /* nothing was written */
    return file < 0 ? -1 : 0;
}

/* Checks that a file can be made, perhaps where symbolic links lead. */
static int check_absent_file(const char *path)
{
    enum { LINKS = 40 /* that the kernel follows */ };
    char place[PATH_MAX];
    char target[PATH_MAX];

    if (snprintf(place, sizeof(place), "%s", path) >= (int)sizeof(place)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (int i = 0; i < LINKS; i++) {
        const ssize_t length = readlink(place, target, sizeof(target));
        const char *slash = strrchr(place, '/');
        const size_t kept =
            length > 0 && *target != '/' && slash != NULL ? (size_t)(slash - place) + 1 : 0;

        if (length < 0)
            return file_check_directory(place);
        if (kept + (size_t)length >= sizeof(place)) {
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(place + kept, target, (size_t)length);
        place[kept + (size_t)length] = '\0';
    }
    errno = ELOOP;
    return -1;
}

/* Checks that launch_open_errors() could open its file, without making it. */
static bool check_errors(const struct options *options)
{
    const char *path = options->error_file;
    struct stat status;
    int result;

    if (options->standard_error != SETUP_STANDARD_ERROR_FILE)
        return true;
    result = stat(path, &status);
    if (result == 0)
        result = check_file(path, status.st_mode);
    else if (errno == ENOENT)
        result = check_absent_file(path);
    if (result != 0)
        log_error(LAUNCH_ERRORS_FAILED, path);
    return result == 0;
}

bool check_places(const struct options *options)
{
    static struct gates gates;
    bool right = binding_check(options);

    right =
        (options->control == NULL || unix_socket_check("--control", options->control, (uid_t)-1)) &&
        right;
    right = (options->metrics == NULL || binding_check_metrics(options->metrics)) && right;
    right = (options->takeover == NULL || check_predecessor(options->takeover)) && right;
    right = (options->pid_file == NULL || pid_file_check(options->pid_file)) && right;
    right = check_errors(options) && right;
    return gates_open(&gates, options, loop_clock()) == 0 && right;
}
