#include "supervisor/listen/unix_socket.h"

#include "dispatcher/shared/interrupter.h"
#include "dispatcher/shared/log.h"
#include "supervisor/base/backoff.h"
#include "supervisor/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { PERMISSIONS = 0777, EXECUTE = 0111 };

struct place {
    const char *option;
    const char *path;
    struct sockaddr_un address;
    bool taken;    /* a process listens there: the last attempt failed for that alone */
    bool unlocked; /* the lock could not be had, which was logged */
};

/* Returns the lock, or -1: some file systems have no locks. */
static int lock(struct place *place, int directory, const char *name)
{
    int lock = directory < 0 ? -1 : file_lock(directory, name, FILE_LOCK_WAIT);
    bool reported = errno == ENOENT || errno == ENOTDIR; /* bind(2) reports these */

    if (lock >= 0 || place->unlocked || reported)
        return lock;
    log_warning("%s: cannot lock '%s': %m; going on, but a process that starts at the same moment "
                "could replace the socket",
                place->option, place->path);
    place->unlocked = true;
    return lock;
}

/* ---- what is there already ---- */

/* Reports whether no process listens on the socket that is there. */
static bool is_left_behind(struct place *place)
{
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    place->taken = descriptor >= 0 && (connect(descriptor, (const struct sockaddr *)&place->address,
                                               sizeof(place->address)) == 0 ||
                                       errno == EAGAIN); /* its backlog is full */
    if (descriptor >= 0)
        (void)close(descriptor); /* there is nothing to say; it keeps errno */
    if (place->taken)
        return false;
    if (errno == ECONNREFUSED || errno == ENOENT) /* ENOENT: it was removed just now */
        return true;
    log_error("%s: '%s': cannot find out whether a process listens there: %m", place->option,
              place->path);
    return false;
}

/* Looks at what is there.  Returns false after logging why no socket may take its place. */
static bool look(const struct place *place, bool *empty)
{
    struct stat status;

    *empty = lstat(place->path, &status) != 0;
    if (*empty && errno == ENOENT)
        return true;
    if (*empty)
        log_error("%s: '%s': cannot look at it: %m", place->option, place->path);
    else if (!S_ISSOCK(status.st_mode))
        log_error("%s: '%s': the file exists and is no socket; give the path of a socket, or of no "
                  "file",
                  place->option, place->path);
    return !*empty && S_ISSOCK(status.st_mode);
}

/* Removes a socket that was left behind.  Returns whether the place is free now. */
static bool clear(struct place *place)
{
    bool empty;

    if (!look(place, &empty))
        return false;
    if (empty)
        return true;
    if (!is_left_behind(place))
        return false;
    if (unlink(place->path) != 0 && errno != ENOENT) {
        log_error("%s: '%s': no process listens there, but the file cannot be removed: %m",
                  place->option, place->path);
        return false;
    }
    log_info("%s: removed '%s', because no process listened on it", place->option, place->path);
    return true;
}

/* ---- what is made there ---- */

/* The file of a socket has all permissions except those in the umask (unix(7)). */
static int bind_with(int descriptor, const struct place *place, mode_t mode)
{
    mode_t mask = umask(PERMISSIONS);
    int result;

    (void)umask(mode == UNIX_SOCKET_MODE ? mask | EXECUTE : ~mode & PERMISSIONS);
    result = bind(descriptor, (const struct sockaddr *)&place->address, sizeof(place->address));
    (void)umask(mask); /* it cannot fail, and keeps errno */
    return result;
}

/* Gives the file to its owner.  A user who may write to the directory could have put a link to
 * another file in its place: looks at the file first, and then gives away that very file. */
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
    (void)close(file); /* it keeps errno, because nothing was written */
    return result;
}

static int make(const struct place *place, mode_t mode, uid_t user, gid_t group)
{
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool bound = descriptor >= 0 && bind_with(descriptor, place, mode) == 0;
    const char *action = "listen there";

    interrupter_refuse_descriptors(descriptor); /* before the first client */
    if (bound && give(place, user, group) != 0)
        action = "give the file to that owner, which requires root";
    else if (bound && listen(descriptor, INT_MAX) == 0)
        return descriptor;
    log_error("%s: '%s': cannot %s: %m", place->option, place->path, action);
    if (bound)
        (void)unlink(place->path); /* it was made just now */
    if (descriptor >= 0)
        (void)close(descriptor); /* no client was served */
    return -1;
}

int unix_socket_open(const char *option, const char *path, mode_t mode, uid_t user, gid_t group)
{
    struct place place = {.option = option, .path = path, .address.sun_family = AF_UNIX};
    const char *name;
    int directory = file_open_directory(path, &name);
    uint64_t until = 0;
    int descriptor = -1;

    if (strlen(path) >= sizeof(place.address.sun_path))
        log_bug("%s: the path is too long for a socket", option);
    strcpy(place.address.sun_path, path);
    do {
        int held = lock(&place, directory, name);

        place.taken = false;
        if (clear(&place))
            descriptor = make(&place, mode, user, group);
        file_unlock(directory, name, held); /* the process there may have to remove its file */
    } while (place.taken && backoff_pause(&until, "%s: '%s'", option, path));
    if (directory >= 0)
        (void)close(directory); /* O_PATH: not even read */
    if (place.taken)
        log_error("%s: '%s': another process listens there", option, path);
    return descriptor;
}

bool unix_socket_check(const char *option, const char *path, uid_t user)
{
    const struct place place = {.option = option, .path = path};
    bool empty;

    if (!look(&place, &empty))
        return false;
    if (file_check_directory(path) != 0)
        log_error("%s: '%s': cannot make a socket in that directory: %m", option, path);
    else if (user != (uid_t)-1 && user != geteuid() && geteuid() != 0)
        log_error("%s: '%s': cannot give the file to user %u, which requires root", option, path,
                  user);
    else
        return true;
    return false;
}
