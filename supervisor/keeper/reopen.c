#include "supervisor/keeper/reopen.h"

#include "dispatcher/shared/log.h"
#include "supervisor/keeper/children.h"
#include "supervisor/keeper/control_groups.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

enum {
    AGAIN = 10 * LOOP_MILLISECOND, /* until a report may have room */
    FIRST = LOOP_SECOND,           /* between two attempts */
    LONGEST = 60 * LOOP_SECOND,
    QUIET = 600 * LOOP_SECOND,             /* without an attempt: the next delay is the first */
    REPLACE_EVERY = 100 * LOOP_MILLISECOND /* so that the other dispatchers serve meanwhile */
};

/* A unit with LogNamespace= has /run/systemd/journal.NAMESPACE/stdout. */
static bool is_journal(const char *path)
{
    return strcmp(path, "/run/systemd/journal/stdout") == 0 ||
           fnmatch("/run/systemd/journal.*/stdout", path, FNM_PATHNAME) == 0;
}

void reopen_prepare(struct reopen *reopen)
{
    struct sockaddr_un *address = &reopen->address;
    socklen_t length = sizeof(*address) - 1; /* a path keeps its NUL */
    const size_t path = offsetof(struct sockaddr_un, sun_path);
    socklen_t type_length = sizeof(int);
    int type;

    *reopen = (struct reopen){.backoff = {.first = FIRST, .longest = LONGEST}};
    if (getsockopt(STDERR_FILENO, SOL_SOCKET, SO_TYPE, &type, &type_length) != 0 ||
        type != SOCK_STREAM ||
        getpeername(STDERR_FILENO, (struct sockaddr *)address, &length) != 0 ||
        address->sun_family != AF_UNIX || length <= path + 1 || length >= sizeof(*address) ||
        (address->sun_path[0] != '/' && address->sun_path[0] != '\0'))
        return; /* it is no such socket, has no name, or one that depends on a directory */
    reopen->length = length;
    reopen->journal = is_journal(address->sun_path);
}

/* The first lines of a stream, as systemd sends them for a unit: who writes, in which unit, with
 * which priority; lines may begin with another; and nothing is forwarded.  The journal can look up
 * the unit of a process by itself, but not after it has ended, as handlers soon have.
 */
static bool introduce(int descriptor)
{
    char unit[NAME_MAX + 1];
    char header[sizeof(unit) + 64];
    int length;

    control_groups_unit(unit);
    length = snprintf(header, sizeof(header), "socket-burst-dampener\n%s\n%d\n1\n0\n0\n0\n", unit,
                      LOG_DAEMON | LOG_INFO);
    return send(descriptor, header, (size_t)length, MSG_NOSIGNAL) == length;
}

/* A full backlog must not block the keeper; but handlers get a socket that blocks.  Returns the
 * socket, or -1. */
static int connect_again(const struct reopen *reopen)
{
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (descriptor < 0)
        return -1;
    if (connect(descriptor, (const struct sockaddr *)&reopen->address, reopen->length) == 0 &&
        (!reopen->journal || introduce(descriptor)) && fcntl(descriptor, F_SETFL, 0) == 0 &&
        dup2(descriptor, STDERR_FILENO) >= 0)
        return descriptor;
    (void)close(descriptor); /* nothing more is sent */
    return -1;
}

/* Dispatchers and handlers know the journal by it (systemd.exec(5)). */
static void name_stream(void)
{
    struct stat status;
    char text[48];

    if (getenv("JOURNAL_STREAM") == NULL || fstat(STDERR_FILENO, &status) != 0)
        return;
    (void)snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)status.st_dev,
                   (uintmax_t)status.st_ino);
    (void)setenv("JOURNAL_STREAM", text, 1); /* without memory, lines lack their priorities */
}

static void attempt(void *context)
{
    struct keeper *keeper = context;
    struct reopen *reopen = &keeper->reopen;
    int descriptor;

    if (!outbox_has_room(&keeper->outbox)) {
        reopen->attempt.deadline = keeper->loop.now + AGAIN;
        return;
    }
    log_probe();
    reopen->attempted = keeper->loop.now;
    backoff_failed(&reopen->backoff, keeper->loop.now); /* success does not shorten the delay */
    descriptor = log_is_broken() ? connect_again(reopen)
                                 : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, PROTOCOL_LAST + 1);
    if (descriptor < 0) {
        reopen->attempt.deadline = reopen->backoff.until;
        return;
    }
    if (log_is_broken()) {
        log_probe();
        if (reopen->journal)
            name_stream();
        reopen->opened = loop_clock();
        reopen->replace.deadline = keeper->loop.now + REPLACE_EVERY;
    }
    outbox_add(&keeper->outbox, (struct link_message){.type = LINK_OPENED}, &descriptor);
}

static void replace(void *context)
{
    struct keeper *keeper = context;
    struct reopen *reopen = &keeper->reopen;

    if (children_replace(keeper, reopen->opened))
        reopen->replace.deadline = keeper->loop.now + REPLACE_EVERY;
}

void reopen_run(struct keeper *keeper)
{
    struct reopen *reopen = &keeper->reopen;

    reopen->attempt = (struct loop_timer){.expired = attempt, .context = keeper};
    reopen->replace = (struct loop_timer){.expired = replace, .context = keeper};
    loop_add_timer(&keeper->loop, &reopen->attempt);
    loop_add_timer(&keeper->loop, &reopen->replace);
}

void reopen_ask(struct keeper *keeper)
{
    struct reopen *reopen = &keeper->reopen;
    uint64_t now = keeper->loop.now;

    if (reopen->length == 0 || reopen->attempt.deadline != 0)
        return;
    if (now - reopen->attempted > QUIET)
        backoff_succeeded(&reopen->backoff);
    reopen->attempt.deadline = backoff_next(&reopen->backoff, now);
}
