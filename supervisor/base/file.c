#include "supervisor/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads up to one byte more than allowed, which shows that the file is too long. */
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
    int descriptor;

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
    descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0 && errno == EACCES)
        descriptor = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return descriptor;
}

bool file_lock_directory(int directory, unsigned milliseconds)
{
    const unsigned pause = 10;

    for (unsigned waited = 0; flock(directory, LOCK_EX | LOCK_NB) != 0; waited += pause) {
        if (errno == EBADF)
            errno = EACCES; /* opened without the right to read */
        if ((errno != EWOULDBLOCK && errno != EINTR) || waited >= milliseconds)
            return false;
        (void)poll(NULL, 0, (int)pause); /* no event announces a free lock */
    }
    return true;
}

void file_unlock_directory(int directory)
{
    (void)flock(directory, LOCK_UN); /* cannot fail for a locked descriptor */
}
