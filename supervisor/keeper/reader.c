#include "supervisor/keeper/reader.h"

#include "dispatcher/shared/interrupter.h"
#include "dispatcher/shared/log.h"
#include "dispatcher/shared/privileges.h"
#include "supervisor/base/descriptors.h"
#include "supervisor/base/file.h"
#include "supervisor/options/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOGGED = 255 /* exit status: the log has the reason; others are errnos */ };

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

static bool read_content(const char *path, int memory)
{
    int from = open_regular(path);

    return from >= 0 && copy(from, memory);
}

/* The kernel forgets this when the process becomes another user. */
static bool die_with(pid_t parent)
{
    return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent;
}

/* A name server's answers are an attacker's, perhaps: keeps only the memory file and the log, and
 * no privileges. */
static bool give_up_privileges(const struct keeper *keeper, pid_t parent, int *memory)
{
    const struct identity *identity = keeper->readers_identity;
    int log = log_descriptor();
    int *const kept[] = {memory, &log};

    if (descriptors_close_others(kept, sizeof(kept) / sizeof(*kept)) == 0 &&
        (identity == NULL || privileges_become(identity->user, identity->group, identity->groups,
                                               identity->group_count) == 0) &&
        privileges_keep(0) == 0 && privileges_gain_none() == 0 && privileges_hide() == 0 &&
        die_with(parent))
        return true;
    log_error("cannot give up privileges before looking up hosts: %m");
    return false;
}

/* Writes the compiled rules; or fails with errno, which is 0 after logging what is wrong. */
static bool read_rules(const struct keeper *keeper, pid_t parent, int memory)
{
    const struct options *options = keeper->options;
    struct access access;
    size_t length;
    char *text = rules_read(options, &length);
    bool right = text != NULL && give_up_privileges(keeper, parent, &memory) &&
                 rules_build(&access, options, text, length);

    errno = 0;
    return right && access_write(&access, memory);
}

/* Returns the exit status. */
static int read_file(const struct keeper *keeper, unsigned index, pid_t parent, int memory)
{
    /* This process holds the pid file's lock, and the keeper's end of the link. */
    if (!die_with(parent))
        return LOGGED; /* nobody hears it */
    keeper->events.leave_pair(keeper->events.context);
    if (index == OPTIONS_FILE_ACCESS ? read_rules(keeper, parent, memory)
                                     : read_content(keeper->options->files[index], memory))
        return 0;
    return errno == 0 ? LOGGED : errno;
}

int reader_start(struct keeper *keeper, unsigned index)
{
    struct keeper_reader *reader = &keeper->readers[index];
    pid_t parent = getpid();
    int memory = memfd_create("dampener-content", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    pid_t process;

    /* Some kernels begin fork(2) again whenever a signal comes (kernel/fork.c, copy_process()). */
    if (keeper->interrupts)
        interrupter_end();
    process = memory < 0 ? -1 : fork();
    if (keeper->interrupts && process != 0)
        interrupter_begin();
    if (process == 0)
        _exit(read_file(keeper, index, parent, memory)); /* nothing to flush */
    if (memory >= 0 && process < 0)
        (void)close(memory); /* keeps errno: nothing was written */
    if (process < 0)
        return -1;
    if (reader->process != 0) {
        (void)kill(reader->process, SIGKILL); /* a child that was not reaped */
        (void)close(reader->memory);          /* nobody wants it */
    }
    *reader = (struct keeper_reader){.process = process, .memory = memory};
    return 0;
}

/* Returns the value of CONTENT (link.h): 0 if the file is complete, and sealed now.  Otherwise
 * closes it. */
static int finish(const struct keeper_reader *reader, int status)
{
    int value = !WIFEXITED(status)              ? LINK_KILLED
                : WEXITSTATUS(status) == LOGGED ? LINK_LOGGED
                                                : WEXITSTATUS(status);

    if (value == 0 && (file_seal(reader->memory) != 0 || lseek(reader->memory, 0, SEEK_SET) != 0))
        value = errno;
    if (value != 0)
        (void)close(reader->memory); /* it is incomplete */
    return value;
}

bool reader_ended(struct keeper *keeper, pid_t process, int status)
{
    for (unsigned i = 0; i < OPTIONS_FILES; i++) {
        struct keeper_reader *reader = &keeper->readers[i];

        if (reader->process != process)
            continue;
        reader->process = 0;
        outbox_add(&keeper->outbox,
                   (struct link_message){
                       .type = LINK_CONTENT, .index = i, .value = finish(reader, status)},
                   &reader->memory);
        return true;
    }
    return false;
}

void reader_kill_all(void *context)
{
    const struct keeper *keeper = context;

    for (unsigned i = 0; i < OPTIONS_FILES; i++)
        if (keeper->readers[i].process != 0)
            (void)kill(keeper->readers[i].process, SIGKILL); /* a child that was not reaped */
}
