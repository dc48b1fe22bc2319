#include "supervisor/command.h"

#include "dispatcher/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* 0, or the errno that executing it would give. */
static int check(const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return errno;
    if (!S_ISREG(status.st_mode))
        return EACCES;
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

static int refuse(const char *name, int error)
{
    errno = error;
    log_error("CMD: cannot execute '%s': %m", name);
    return error == ENOENT || error == ENOTDIR ? COMMAND_NOT_FOUND : COMMAND_NOT_EXECUTABLE;
}

static int check_path(const char *name, char path[PATH_MAX])
{
    if (snprintf(path, PATH_MAX, "%s", name) >= PATH_MAX)
        return ENAMETOOLONG;
    return check(path);
}

/* A file that may not be executed does not end the search, but is what is told if nothing else is
 * found. */
static int search(const char *name, char path[PATH_MAX])
{
    const char *directory = getenv("PATH");
    int error = ENOENT;

    if (directory == NULL)
        directory = "/bin:/usr/bin";
    for (;;) {
        int length = (int)strcspn(directory, ":");
        int written = length == 0 ? snprintf(path, PATH_MAX, "./%s", name)
                                  : snprintf(path, PATH_MAX, "%.*s/%s", length, directory, name);
        if (written < PATH_MAX) {
            int found = check(path);
            if (found == 0)
                return 0;
            if (found == EACCES)
                error = found;
        }
        if (directory[length] == '\0')
            return error;
        directory += length + 1;
    }
}

int command_find(const char *name, char path[PATH_MAX])
{
    int error = strchr(name, '/') != NULL ? check_path(name, path) : search(name, path);

    return error == 0 ? 0 : refuse(name, error);
}
