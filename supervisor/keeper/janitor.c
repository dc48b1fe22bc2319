#include "supervisor/keeper/janitor.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/directory.h"
#include "supervisor/keeper/janitor_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    READY_WITHIN = 10000, /* milliseconds */
    PUBLISH_WITHIN = 5000,
    END_WITHIN = 2000
};

/* ---- what there is to do ---- */

static int fill(struct janitor_item *item, const char *path, const char *temporary)
{
    const char *name;
    struct stat status;

    *item =
        (struct janitor_item){.path = path, .directory = directory_open(path, &name), .file = -1};
    if (item->directory < 0)
        return -1;
    strcpy(item->name, name); /* directory_open() has seen that it fits */
    if (temporary != NULL) {
        const char *slash = strrchr(temporary, '/');
        const char *place = slash == NULL ? temporary : slash + 1;

        errno = ENAMETOOLONG;
        if (strlen(place) > NAME_MAX)
            return -1;
        strcpy(item->temporary, place);
        item->replaces = fstatat(item->directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
        if (!item->replaces && errno != ENOENT)
            return -1;
        item->replaced_device = item->replaces ? status.st_dev : 0;
        item->replaced_inode = item->replaces ? status.st_ino : 0;
        name = item->temporary;
    }
    item->file = openat(item->directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (item->file < 0 || fstat(item->file, &status) != 0)
        return -1;
    item->device = status.st_dev;
    item->inode = status.st_ino;
    return 0;
}

static void close_item(struct janitor_item *item)
{
    if (item->directory >= 0)
        (void)close(item->directory); /* it was only read */
    if (item->file >= 0)
        (void)close(item->file); /* not even that */
    item->directory = -1;
    item->file = -1;
}

static int add(struct janitor *janitor, const char *path, const char *temporary)
{
    struct janitor_item *item = &janitor->items[janitor->count];

    if (janitor->count == JANITOR_ITEMS || janitor->socket > 0)
        log_bug("the janitor cannot be given %s", path);
    if (fill(item, path, temporary) == 0)
        return (int)janitor->count++;
    log_error("cannot have %s removed in the end: %m", temporary == NULL ? path : temporary);
    close_item(item);
    return -1;
}

int janitor_add(struct janitor *janitor, const char *path)
{
    int item = add(janitor, path, NULL);

    if (item < 0)
        (void)unlink(path); /* nothing can be done if it fails */
    return item;
}

int janitor_borrow(struct janitor *janitor, const char *path)
{
    struct stat status;
    int item;

    if (lstat(path, &status) != 0 || !S_ISSOCK(status.st_mode)) {
        log_error("%s is no socket here: give its path from the root directory on", path);
        return -1;
    }
    item = add(janitor, path, NULL);
    if (item >= 0)
        janitor->items[item].borrowed = true;
    return item;
}

int janitor_add_temporary(struct janitor *janitor, const char *temporary, const char *path)
{
    return add(janitor, path, temporary);
}

/* ---- the process ---- */

/* Waits for an answer so many milliseconds at most.  Returns 0, or -1 with errno, which may have
 * come from there. */
static int await_answer(const struct janitor *janitor, int milliseconds,
                        struct janitor_answer *answer)
{
    struct pollfd event = {.fd = janitor->socket, .events = POLLIN};
    ssize_t length;

    errno = ETIMEDOUT;
    if (poll(&event, 1, milliseconds) != 1)
        return -1;
    length = recv(janitor->socket, answer, sizeof(*answer), MSG_DONTWAIT | MSG_TRUNC);
    if (length == 0)
        errno = ESRCH; /* it is dead */
    else if (length == sizeof(*answer))
        errno = answer->error;
    else if (length > 0)
        errno = EPROTO;
    return errno == 0 && length > 0 ? 0 : -1;
}

/* From now on the child has them, and locks of its own in the directories. */
static void close_items(struct janitor *janitor)
{
    for (unsigned i = 0; i < janitor->count; i++)
        close_item(&janitor->items[i]);
}

static int fork_child(struct janitor *janitor, char **argv)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    janitor->process = fork();
    if (janitor->process == 0)
        janitor_process_run(janitor, pair[1], argv);
    (void)close(pair[1]); /* it is the child's */
    if (janitor->process > 0) {
        janitor->socket = pair[0];
        return 0;
    }
    (void)close(pair[0]); /* nothing has gone through it */
    janitor->process = 0;
    return -1;
}

int janitor_start(struct janitor *janitor, char **argv)
{
    struct janitor_answer answer;

    if (janitor->count == 0)
        return 0;
    if (fork_child(janitor, argv) == 0 && await_answer(janitor, READY_WITHIN, &answer) == 0) {
        close_items(janitor);
        return 0;
    }
    log_error("cannot start the process that removes files in the end: %m");
    if (janitor->socket > 0)
        (void)close(janitor->socket); /* it ends by that */
    janitor->socket = 0;
    janitor->process = 0; /* whoever reaps all will reap it, or our end */
    return -1;
}

static int ask(const struct janitor *janitor, enum janitor_request_type type, unsigned item)
{
    const struct janitor_request request = {.type = type, .item = item};

    return send(janitor->socket, &request, sizeof(request), MSG_DONTWAIT | MSG_NOSIGNAL) ==
                   sizeof(request)
               ? 0
               : -1;
}

static bool has_unpublished(const struct janitor *janitor)
{
    for (unsigned i = 0; i < janitor->count; i++)
        if (janitor->items[i].temporary[0] != '\0' || janitor->items[i].borrowed)
            return true;
    return false;
}

int janitor_publish(struct janitor *janitor)
{
    struct janitor_answer answer = {.item = JANITOR_ITEMS};
    int error;

    if (!has_unpublished(janitor))
        return 0;
    errno = ESRCH;
    if (janitor->socket > 0 && ask(janitor, JANITOR_PUBLISH, 0) == 0 &&
        await_answer(janitor, PUBLISH_WITHIN, &answer) == 0)
        return 0;
    error = errno;
    if (answer.item >= janitor->count)
        log_error("the janitor does not put files into their places: %m");
    else if (error == EEXIST)
        log_error("cannot put %s into its place: another process has just put its own there",
                  janitor->items[answer.item].name);
    else
        log_error("cannot put %s into its place: %m", janitor->items[answer.item].name);
    errno = error;
    return -1;
}

void janitor_lend_path(struct janitor *janitor, const char *path, bool lent)
{
    for (unsigned i = 0; i < janitor->count; i++) {
        if (strcmp(janitor->items[i].path, path) != 0)
            continue;
        janitor->items[i].borrowed = lent;
        if (janitor->socket > 0 && ask(janitor, lent ? JANITOR_LEND : JANITOR_RETURN, i) != 0)
            log_warning("the janitor may remove %s too early, or not at all: %m",
                        janitor->items[i].name);
    }
}

bool janitor_reaped(struct janitor *janitor, pid_t process)
{
    if (janitor->process == 0 || process != janitor->process)
        return false;
    janitor->process = 0;
    log_warning("the janitor, process %d, is dead: files will be left behind in the end", process);
    return true;
}

/* ---- the end ---- */

static int64_t milliseconds_now(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        log_bug("clock_gettime: %m");
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* When it ends, it first closes its end of the socket. */
static void await_end(const struct janitor *janitor)
{
    int64_t deadline = milliseconds_now() + END_WITHIN;
    struct pollfd event = {.fd = janitor->socket};
    pid_t reaped = 0;

    (void)poll(&event, 1, END_WITHIN); /* whether that was its end, wait tells */
    while ((reaped = waitpid(janitor->process, NULL, WNOHANG)) == 0 &&
           milliseconds_now() < deadline)
        (void)poll(NULL, 0, 1); /* that far it has come, or it is stopped */
    if (reaped == 0)
        log_warning("the janitor, process %d, has not ended yet", janitor->process);
}

void janitor_close(struct janitor *janitor)
{
    if (janitor->socket > 0) {
        (void)shutdown(janitor->socket, SHUT_WR); /* fails if it is dead */
        if (janitor->process > 0)
            await_end(janitor);
        (void)close(janitor->socket); /* all is said */
    } else {
        janitor_process_remove(janitor);
    }
    close_items(janitor);
    *janitor = (struct janitor){0};
}
