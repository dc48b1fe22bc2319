#include "supervisor/base/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>

static bool is_file_name(const char *name)
{
    return *name != '\0' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

int directory_open(const char *path, const char **name)
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

bool directory_lock(int directory, unsigned milliseconds)
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

void directory_unlock(int directory)
{
    (void)flock(directory, LOCK_UN); /* cannot fail for a locked descriptor */
}
