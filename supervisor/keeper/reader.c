#include "supervisor/keeper/reader.h"

#include "supervisor/keeper/link.h"
#include "supervisor/options/options.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

/* O_NONBLOCK: opening a named pipe would wait for a writer. */
static int open_regular(const char *path)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;

    if (descriptor >= 0 && (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode))) {
        errno = EINVAL; /* this process ends, and closes it */
        return -1;
    }
    return descriptor;
}

static bool copy(int from, int to)
{
    size_t left = OPTIONS_CONTENT_MAXIMUM;

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

/* Returns the memory file, or -1 with errno. */
static int read_file(const char *path)
{
    int from = open_regular(path);
    int memory = from < 0 ? -1 : memfd_create("dampener-content", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    return memory >= 0 && copy(from, memory) &&
                   fcntl(memory, F_ADD_SEALS,
                         F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0 &&
                   lseek(memory, 0, SEEK_SET) == 0
               ? memory
               : -1;
}

pid_t reader_start(const char *path, unsigned index, int link)
{
    struct link_message message = {.type = LINK_CONTENT, .index = index};
    pid_t keeper = getpid();
    pid_t process = fork();
    int memory;

    if (process != 0)
        return process;
    /* This process holds the pid file's lock, and the keeper's end of the link. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != keeper)
        _exit(1);
    memory = read_file(path);
    message.value = memory < 0 ? errno : 0;
    while (link_send(link, &message, &memory, memory >= 0) != 0) {
        if (errno == EPIPE || errno == ECONNRESET)
            _exit(1);
        (void)poll(NULL, 0, 10); /* milliseconds; all signals are blocked */
    }
    _exit(0); /* nothing to flush */
}
