#include "supervisor/keeper/janitor_process.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/privileges.h"
#include "supervisor/base/descriptors.h"
#include "supervisor/base/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the files ---- */

/* Without the lock something is done all the same, as otherwise anybody who keeps it could prevent
 * that.  *wait is how long it may be waited for, in all. */
static bool lock(const struct janitor_item *item, unsigned *wait)
{
    if (directory_lock(item->directory, *wait))
        return true;
    log_warning("cannot lock the directory of %s, going on without: %m", item->name);
    *wait = 0;
    return false;
}

static bool is_file(const struct stat *status, dev_t device, ino_t inode)
{
    return status->st_dev == device && status->st_ino == inode;
}

/* Otherwise errno is ESTALE, if it is another's, or says why it cannot be told. */
static bool is_ours(const struct janitor_item *item, const char *name)
{
    struct stat status;

    if (fstatat(item->directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    errno = ESTALE;
    return is_file(&status, item->device, item->inode);
}

/* Likewise, and says so if it cannot be told: then the file stays. */
static bool is_to_go(const struct janitor_item *item, const char *name)
{
    if (is_ours(item, name))
        return true;
    if (errno != ESTALE && errno != ENOENT)
        log_error("cannot remove %s, as it cannot be looked at: %m", name);
    return false;
}

/* Nobody is there, or who was there before. */
static bool is_place_free(const struct janitor_item *item)
{
    struct stat status;

    if (fstatat(item->directory, item->name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT;
    errno = EEXIST;
    return item->replaces && is_file(&status, item->replaced_device, item->replaced_inode);
}

/* Returns 0 or an errno. */
static int publish_item(struct janitor_item *item)
{
    if (!is_ours(item, item->temporary) || !is_place_free(item) ||
        renameat(item->directory, item->temporary, item->directory, item->name) != 0)
        return errno;
    item->temporary[0] = '\0';
    return 0;
}

static struct janitor_answer publish(struct janitor *janitor)
{
    struct janitor_answer answer = {0};
    unsigned wait = DIRECTORY_LOCK_WAIT;

    for (unsigned i = 0; i < janitor->count && answer.error == 0; i++) {
        struct janitor_item *item = &janitor->items[i];
        bool locked;

        if (item->directory < 0 || item->temporary[0] == '\0')
            continue;
        locked = lock(item, &wait);
        answer = (struct janitor_answer){.error = publish_item(item), .item = i};
        if (locked)
            directory_unlock(item->directory);
    }
    /* Whether or not: there is nobody else any more who would remove them. */
    for (unsigned i = 0; i < janitor->count; i++)
        janitor->items[i].borrowed = false;
    return answer;
}

void janitor_process_remove(const struct janitor *janitor)
{
    unsigned wait = DIRECTORY_LOCK_WAIT;

    for (unsigned i = 0; i < janitor->count; i++) {
        const struct janitor_item *item = &janitor->items[i];
        const char *name = item->temporary[0] != '\0' ? item->temporary : item->name;
        bool locked;

        /* Who has it replaced does not want to be waited for. */
        if (item->directory < 0 || item->borrowed || !is_to_go(item, name))
            continue;
        locked = lock(item, &wait);
        if (is_to_go(item, name) && unlinkat(item->directory, name, 0) != 0)
            log_error("cannot remove %s: %m", name);
        if (locked)
            directory_unlock(item->directory);
    }
}

/* ---- the process ---- */

/* The words of the command line lie one behind the other, and so can hold a longer one. */
static void show_name(char **argv)
{
    static const char name[] = "janitor";
    char *end;

    (void)prctl(PR_SET_NAME, name); /* for people only */
    if (argv == NULL || argv[0] == NULL)
        return;
    end = argv[0];
    for (unsigned i = 0; argv[i] == end; i++)
        end += strlen(end) + 1;
    if (end - argv[0] < (ptrdiff_t)sizeof(name))
        return;
    memset(argv[0], 0, (size_t)(end - argv[0]));
    memcpy(argv[0], name, sizeof(name));
}

static int close_others(const struct janitor *janitor, int socket)
{
    int kept[2 * JANITOR_ITEMS + 1] = {socket};
    unsigned count = 1;

    for (unsigned i = 0; i < janitor->count; i++) {
        if (janitor->items[i].directory < 0)
            continue;
        kept[count++] = janitor->items[i].directory;
        kept[count++] = janitor->items[i].file;
    }
    if (descriptors_close_others(kept, count) != 0)
        return -1;
    log_reopen();
    return 0;
}

static int give_up_privileges(void)
{
    uint64_t kept = geteuid() == 0 ? 1u << CAP_DAC_OVERRIDE | 1u << CAP_FOWNER : 0;

    (void)privileges_bound(); /* takes CAP_SETPCAP; nothing will be executed anyway */
    if (privileges_keep(kept) != 0 || privileges_gain_none() != 0)
        return -1;
    return privileges_hide();
}

/* Returns 0, or -1 with errno. */
static int become(const struct janitor *janitor, int socket, char **argv)
{
    sigset_t all;

    (void)sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, NULL) != 0)
        return -1;
    show_name(argv);
    (void)setsid(); /* cannot fail for a process that leads no group */
    return close_others(janitor, socket) == 0 && chdir("/") == 0 ? give_up_privileges() : -1;
}

static bool answer(int socket, const struct janitor_answer *answer)
{
    return send(socket, answer, sizeof(*answer), MSG_NOSIGNAL) == sizeof(*answer);
}

/* What needs no answer.  Returns whether it was that. */
static bool note(struct janitor *janitor, const struct janitor_request *request)
{
    if (request->item >= janitor->count)
        return false;
    switch (request->type) {
    case JANITOR_LEND:
    case JANITOR_RETURN:
        janitor->items[request->item].borrowed = request->type == JANITOR_LEND;
        return true;
    default:
        return false;
    }
}

/* Then some time is let pass: while the supervisor serves, nothing is to be removed. */
static bool lacks_memory(void)
{
    if (errno != ENOMEM && errno != ENOBUFS && errno != EAGAIN)
        return false;
    (void)poll(NULL, 0, 10); /* milliseconds; all signals are blocked */
    return true;
}

/* Returns whether to go on. */
static bool serve(struct janitor *janitor, int socket)
{
    struct janitor_request request;
    ssize_t length = recv(socket, &request, sizeof(request), MSG_TRUNC);

    if (length < 0 && (errno == EINTR || lacks_memory()))
        return true;
    if (length <= 0)
        return false; /* the supervisor's end, or nothing that could be waited for */
    if (length == sizeof(request) && request.type == JANITOR_PUBLISH && request.item == 0) {
        struct janitor_answer result = publish(janitor);

        return answer(socket, &result);
    }
    if (length != sizeof(request) || !note(janitor, &request))
        log_error("janitor: ignoring what the supervisor does not say");
    return true;
}

void janitor_process_run(struct janitor *janitor, int socket, char **argv)
{
    struct janitor_answer ready = {0};

    if (become(janitor, socket, argv) != 0) {
        ready.error = errno;
        (void)answer(socket, &ready); /* its end says the same */
        _exit(EXIT_FAILURE);
    }
    if (answer(socket, &ready))
        while (serve(janitor, socket))
            continue;
    janitor_process_remove(janitor);
    _exit(EXIT_SUCCESS); /* nothing is to be flushed */
}
