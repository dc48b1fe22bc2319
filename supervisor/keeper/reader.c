#include "supervisor/keeper/reader.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/privileges.h"
#include "supervisor/base/descriptors.h"
#include "supervisor/base/file.h"
#include "supervisor/options/rules.h"

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

/* Returns a memory file with the content, or -1 with errno. */
static int read_content(const char *path)
{
    int from = open_regular(path);
    int memory = from < 0 ? -1 : memfd_create("dampener-content", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    return memory >= 0 && copy(from, memory) && file_seal(memory) == 0 &&
                   lseek(memory, 0, SEEK_SET) == 0
               ? memory
               : -1;
}

/* The kernel forgets this when the process becomes another user. */
static bool die_with(pid_t parent)
{
    return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent;
}

/* A name server's answers are an attacker's, perhaps: keeps only the link and the log, and no
 * privileges. */
static bool give_up_privileges(const struct keeper *keeper, pid_t parent)
{
    const struct identity *identity = keeper->readers_identity;
    int link = keeper->link.descriptor;
    int log = log_descriptor();
    int *const kept[] = {&link, &log};

    if (descriptors_close_others(kept, sizeof(kept) / sizeof(*kept)) == 0 &&
        (identity == NULL || privileges_become(identity->user, identity->group, identity->groups,
                                               identity->group_count) == 0) &&
        privileges_keep(0) == 0 && privileges_gain_none() == 0 && privileges_hide() == 0 &&
        die_with(parent))
        return true;
    log_error("cannot give up privileges before looking up hosts: %m");
    return false;
}

/* Returns a memory file with the compiled rules; or -1 with errno, or with errno 0 after logging
 * what is wrong. */
static int read_rules(const struct keeper *keeper, pid_t parent)
{
    const struct options *options = keeper->options;
    struct access access;
    size_t length;
    char *text = rules_read(options, &length);
    bool right = text != NULL && give_up_privileges(keeper, parent) &&
                 rules_build(&access, options, text, length);

    errno = 0;
    return right ? access_save(&access) : -1;
}

pid_t reader_start(const struct keeper *keeper, unsigned index)
{
    const char *path = keeper->options->files[index];
    struct link_message message = {.type = LINK_CONTENT, .index = index};
    pid_t parent = getpid();
    pid_t process = fork();
    int memory;

    if (process != 0)
        return process;
    /* This process holds the pid file's lock, and the keeper's end of the link. */
    if (!die_with(parent))
        _exit(1);
    memory = index == OPTIONS_FILE_ACCESS ? read_rules(keeper, parent) : read_content(path);
    message.value = memory >= 0 ? 0 : errno == 0 ? LINK_LOGGED : errno;
    while (link_send(keeper->link.descriptor, &message, &memory, memory >= 0) != 0) {
        if (errno == EPIPE || errno == ECONNRESET)
            _exit(1);
        (void)poll(NULL, 0, 10); /* milliseconds; all signals are blocked */
    }
    _exit(0); /* nothing to flush */
}
