#include "supervisor/base/file.h"

#include "supervisor/base/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads up to one byte more than allowed, which shows that the file is too long.  Puts a NUL behind
 * content that is not. */
static char *read_content(int descriptor, size_t most, size_t *length)
{
    char *content = malloc(most + 1);
    ssize_t got = 1;

    *length = 0;
    while (content != NULL && got > 0 && *length <= most) {
        got = read(descriptor, content + *length, most + 1 - *length);
        if (got < 0) {
            free(content);
            return NULL;
        }
        *length += (size_t)got;
    }
    if (content != NULL && *length <= most)
        content[*length] = '\0';
    return content;
}

static char *fail(char error[FILE_ERROR_MAXIMUM], const char *why)
{
    (void)snprintf(error, FILE_ERROR_MAXIMUM, "%s", why);
    return NULL;
}

static char *read_open(int descriptor, size_t most, size_t *length, char error[FILE_ERROR_MAXIMUM])
{
    struct stat status;
    char *content;

    if (fstat(descriptor, &status) == 0 && !S_ISREG(status.st_mode))
        return fail(error, "it is not a regular file");
    content = read_content(descriptor, most, length);
    if (content == NULL)
        return fail(error, strerror(errno));
    if (*length <= most)
        return content;
    free(content);
    (void)snprintf(error, FILE_ERROR_MAXIMUM, "it is longer than %zu bytes", most);
    return NULL;
}

int file_seal(int memory)
{
    return fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
}

/* Only memory files have seals.  These keep everybody from changing or truncating the content. */
bool file_is_sealed(int descriptor)
{
    const int wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    int seals = fcntl(descriptor, F_GET_SEALS);

    return seals >= 0 && (seals & wanted) == wanted;
}

char *file_read_sealed(int descriptor, size_t most, size_t *length, char error[FILE_ERROR_MAXIMUM])
{
    return file_is_sealed(descriptor) ? read_open(descriptor, most, length, error)
                                      : fail(error, "it does not come in sealed memory");
}

char *file_read(const char *path, size_t most, size_t *length, char error[FILE_ERROR_MAXIMUM])
{
    /* O_NONBLOCK: opening a named pipe would wait for a writer. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char *content;

    if (descriptor < 0)
        return fail(error, strerror(errno));
    content = read_open(descriptor, most, length, error);
    (void)close(descriptor); /* only read */
    return content;
}

/* ---- directories ---- */

static bool is_file_name(const char *name)
{
    return *name != '\0' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

int file_open_directory(const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    char directory[PATH_MAX] = ".";

    *name = slash == NULL ? path : slash + 1;
    errno = is_file_name(*name) ? 0 : EISDIR;
    if (length >= sizeof(directory) || strlen(*name) > NAME_MAX)
        errno = ENAMETOOLONG;
    if (errno != 0)
        return -1;
    if (slash != NULL) {
        length = length == 0 ? 1 : length; /* the root directory */
        memcpy(directory, path, length);
        directory[length] = '\0';
    }
    return open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int file_check_directory(const char *path)
{
    const char *name;
    int directory = file_open_directory(path, &name);
    int result = directory < 0 ? -1 : faccessat(directory, ".", W_OK | X_OK, AT_EACCESS);
    int error = errno;

    if (directory >= 0)
        (void)close(directory); /* O_PATH: not even read */
    errno = error;
    return result;
}

/* ---- locks ---- */

/* Bytes of a lock file, each locked on its own. */
enum { MUTEX, LIFE };

/* An open file description owns these locks (fcntl(2)), so they end with its last descriptor. */
static int control(int lock, int command, short type, off_t byte, bool *conflict)
{
    struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    int result = fcntl(lock, command, &range);

    *conflict = range.l_type != F_UNLCK;
    return result;
}

static int set(int lock, short type, off_t byte)
{
    bool conflict;

    return control(lock, F_OFD_SETLK, type, byte, &conflict);
}

/* Other users could open a file of theirs, or one that has another name as well. */
static bool is_ours_alone(int lock)
{
    struct stat status;

    if (fstat(lock, &status) != 0)
        return false;
    errno = EPERM;
    return S_ISREG(status.st_mode) && status.st_uid == geteuid() && status.st_nlink <= 1 &&
           (status.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

static bool is_at(int lock, int directory, const char *path)
{
    struct stat ours;
    struct stat there;

    return fstat(lock, &ours) == 0 && fstatat(directory, path, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
           ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

/* Returns the locked file; or -1 with errno: EAGAIN if another process has it. */
static int try_lock(int directory, const char *path)
{
    int lock = openat(directory, path,
                      O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
    int error;

    if (lock < 0)
        return -1;
    if (is_ours_alone(lock) && set(lock, F_WRLCK, MUTEX) == 0) {
        if (is_at(lock, directory, path))
            return lock;
        errno = EAGAIN; /* the last process that had it has removed it */
    }
    error = errno;
    (void)close(lock); /* nothing was written */
    errno = error;
    return -1;
}

static bool name_lock(char path[NAME_MAX + 1], const char *name)
{
    errno = ENAMETOOLONG;
    return snprintf(path, NAME_MAX + 1, ".%s.lock", name) <= NAME_MAX;
}

int file_lock(int directory, const char *name, unsigned milliseconds)
{
    enum { PAUSE = 10 /* milliseconds */ };
    const uint64_t deadline = loop_clock() + milliseconds * (uint64_t)LOOP_MILLISECOND;
    char path[NAME_MAX + 1];
    int lock = -1;

    if (!name_lock(path, name))
        return -1;
    while ((lock = try_lock(directory, path)) < 0) {
        if (errno != EAGAIN || loop_clock() >= deadline)
            return -1;
        (void)poll(NULL, 0, PAUSE); /* no event announces a free lock; a signal may end it */
    }
    return lock;
}

void file_unlock(int directory, const char *name, int lock)
{
    char path[NAME_MAX + 1];

    if (lock < 0)
        return;
    if (name_lock(path, name) && !file_is_held(lock))
        (void)unlinkat(directory, path, 0); /* if it stays, the next process locks it */
    (void)close(lock);                      /* nothing was written */
}

bool file_is_held(int lock)
{
    bool held;

    return control(lock, F_OFD_GETLK, F_WRLCK, LIFE, &held) == 0 && held;
}

int file_hold(int lock)
{
    int result = set(lock, F_RDLCK, LIFE);

    (void)set(lock, F_UNLCK, MUTEX); /* cannot fail for a locked byte */
    return result;
}
