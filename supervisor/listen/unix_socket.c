#include "supervisor/listen/unix_socket.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/directory.h"
#include "supervisor/keeper/departing.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { PERMISSIONS = 0777, READ_AND_WRITE = 0666 };

struct place {
    const char *option;
    const char *path;
    struct sockaddr_un address;
};

mode_t unix_socket_mode(void)
{
    mode_t mask = umask(PERMISSIONS);

    (void)umask(mask); /* it cannot fail */
    return READ_AND_WRITE & ~mask;
}

/* Returns the directory, locked; or -1, and it must do without, since some file systems have no
 * locks, and some directories may be written to but not read. */
static int lock_directory(const struct place *place)
{
    const char *name;
    int directory = directory_open(place->path, &name);

    if (directory >= 0 && directory_lock(directory, DIRECTORY_LOCK_WAIT))
        return directory;
    if (errno != ENOENT && errno != ENOTDIR) /* which is for bind(2) to tell */
        log_warning("%s: cannot lock the directory of '%s': %m; going on, but somebody who starts "
                    "at the same moment would not be noticed",
                    place->option, place->path);
    if (directory >= 0)
        (void)close(directory); /* nothing was read */
    return -1;
}

/* ---- what is there already ---- */

/* Returns 0 if somebody listens there, or an errno: ECONNREFUSED if nobody does. */
static int knock(const struct place *place)
{
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = 0;

    if (descriptor < 0)
        return errno;
    if (connect(descriptor, (const struct sockaddr *)&place->address, sizeof(place->address)) != 0)
        error = errno == EAGAIN ? 0 : errno; /* its backlog is full */
    (void)close(descriptor);                 /* there is nothing to say */
    return error;
}

/* Whether nobody listens on the socket that is there. */
static bool is_left_behind(const struct place *place)
{
    int error = knock(place);

    if (error == 0) {
        departing_await();
        error = knock(place);
    }
    if (error == ECONNREFUSED || error == ENOENT) /* or it has gone just now */
        return true;
    errno = error;
    if (error == 0)
        log_error("%s: '%s': another process listens there", place->option, place->path);
    else
        log_error("%s: '%s': cannot find out whether somebody listens there: %m", place->option,
                  place->path);
    return false;
}

/* Whether the place is free, or is now. */
static bool clear(const struct place *place)
{
    struct stat status;

    if (lstat(place->path, &status) != 0) {
        if (errno == ENOENT)
            return true;
        log_error("%s: '%s': cannot look at it: %m", place->option, place->path);
        return false;
    }
    if (!S_ISSOCK(status.st_mode)) {
        log_error("%s: '%s': it is there already, and is no socket; expected the path of one, or "
                  "of nothing",
                  place->option, place->path);
        return false;
    }
    if (!is_left_behind(place))
        return false;
    if (unlink(place->path) != 0 && errno != ENOENT) {
        log_error("%s: '%s': nobody listens there any more, but it cannot be removed: %m",
                  place->option, place->path);
        return false;
    }
    log_info("%s: removed '%s', on which nobody listened any more", place->option, place->path);
    return true;
}

/* ---- what is made there ---- */

/* A socket's file gets all permissions but those of the umask (unix(7)). */
static int bind_with(int descriptor, const struct place *place, mode_t mode)
{
    mode_t mask = umask(~mode & PERMISSIONS);
    int result = bind(descriptor, (const struct sockaddr *)&place->address, sizeof(place->address));

    (void)umask(mask); /* which fails never, and keeps errno */
    return result;
}

/* Who may write to the directory could have put a link to another file into its place, which must
 * not be given away: so the file is looked at first, and then that very one is given. */
static int give(const struct place *place, uid_t user, gid_t group)
{
    int file;
    int result = -1;
    struct stat status;

    if (user == (uid_t)-1 && group == (gid_t)-1)
        return 0;
    file = open(place->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0)
        return -1;
    if (fstat(file, &status) == 0) {
        errno = ESTALE;
        if (S_ISSOCK(status.st_mode) && status.st_nlink == 1 && status.st_uid == geteuid())
            result = fchownat(file, "", user, group, AT_EMPTY_PATH);
    }
    (void)close(file); /* it keeps errno, as there is nothing to write */
    return result;
}

static int make(const struct place *place, mode_t mode, uid_t user, gid_t group)
{
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool bound = descriptor >= 0 && bind_with(descriptor, place, mode) == 0;
    const char *action = "listen there";

    if (bound && give(place, user, group) != 0)
        action = "give it to that owner, which takes root";
    else if (bound && listen(descriptor, INT_MAX) == 0)
        return descriptor;
    log_error("%s: '%s': cannot %s: %m", place->option, place->path, action);
    if (bound)
        (void)unlink(place->path); /* it was made just now */
    if (descriptor >= 0)
        (void)close(descriptor); /* nobody was served */
    return -1;
}

int unix_socket_open(const char *option, const char *path, mode_t mode, uid_t user, gid_t group)
{
    struct place place = {.option = option, .path = path, .address.sun_family = AF_UNIX};
    int directory;
    int descriptor = -1;

    if (strlen(path) >= sizeof(place.address.sun_path))
        log_bug("%s: the path is too long for a socket", option);
    strcpy(place.address.sun_path, path);
    directory = lock_directory(&place);
    if (clear(&place))
        descriptor = make(&place, mode, user, group);
    if (directory >= 0)
        (void)close(directory); /* and with it the lock */
    return descriptor;
}

bool unix_socket_is_shut_down(int descriptor)
{
    struct pollfd end = {.fd = descriptor, .events = POLLRDHUP};

    return poll(&end, 1, 0) > 0;
}
