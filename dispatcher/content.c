#include "dispatcher/content.h"

#include "dispatcher/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

int content_open(const struct setup *setup, enum protocol_file file)
{
    const char *name;
    int directory = setup_file(setup, file, &name);
    struct stat status;
    int descriptor;

    if (directory < 0)
        return -1;
    /* O_NONBLOCK: opening a named pipe would wait for a writer.  O_NOFOLLOW: with --chroot, a
     * symbolic link could lead to a file that handlers can write. */
    descriptor = openat(directory, name,
                        O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY |
                            (setup->root[0] == '\0' ? 0 : O_NOFOLLOW));
    if (descriptor >= 0 && fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode))
        return descriptor;
    if (descriptor >= 0) {
        (void)close(descriptor); /* nothing was read */
        errno = EINVAL;          /* not a regular file */
    }
    return -1;
}

static bool copy(int from, int to)
{
    size_t left = PROTOCOL_CONTENT_MAXIMUM;

    while (left > 0) {
        ssize_t copied = sendfile(to, from, NULL, left);

        if (copied == 0)
            return true;
        if (copied < 0 && errno != EINTR)
            return false;
        if (copied > 0)
            left -= (size_t)copied;
    }
    return true;
}

int content_copy(const struct setup *setup, enum protocol_file file)
{
    int from = content_open(setup, file);
    int memory = from < 0 ? -1 : memfd_create("dampener-content", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int error;

    if (memory >= 0 && copy(from, memory) &&
        fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0 &&
        lseek(memory, 0, SEEK_SET) == 0) {
        (void)close(from); /* only read */
        return memory;
    }
    error = errno;
    if (memory >= 0)
        (void)close(memory); /* unused */
    if (from >= 0)
        (void)close(from);
    errno = error;
    return -1;
}
