#include "supervisor/keeper/janitor.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/privileges.h"
#include "supervisor/base/descriptors.h"
#include "supervisor/base/file.h"
#include "supervisor/base/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Milliseconds. */
enum { READY_WITHIN = 10000, PUBLISH_WITHIN = 5000, END_WITHIN = 2000 };

enum request_type { REQUEST_PUBLISH = 1, REQUEST_LEND, REQUEST_RETURN };

struct request {
    uint32_t type;
    uint32_t file; /* 0 with REQUEST_PUBLISH */
};

/* The child's answer is an errno or 0, an int32_t: when it is ready, and after each
 * REQUEST_PUBLISH. */

/* ---- files: both processes ---- */

static const char *name_now(const struct janitor_file *file)
{
    return file->temporary[0] != '\0' ? file->temporary : file->name;
}

static int open_file(struct janitor_file *file, const char *path, const char *temporary)
{
    const char *name;

    *file = (struct janitor_file){
        .path = path, .directory = file_open_directory(path, &name), .file = -1};
    if (file->directory < 0)
        return -1;
    strcpy(file->name, name); /* file_open_directory() has checked its length */
    errno = ENAMETOOLONG;
    if (snprintf(file->temporary, sizeof(file->temporary), "%s", temporary) > NAME_MAX)
        return -1;
    /* If another file has the place now, publishing replaces that file alone. */
    if (fstatat(file->directory, name, &file->before, AT_SYMLINK_NOFOLLOW) != 0 && errno != ENOENT)
        return -1;
    file->file = openat(file->directory, name_now(file), O_PATH | O_NOFOLLOW | O_CLOEXEC);
    return file->file < 0 ? -1 : fstat(file->file, &file->ours);
}

static void close_file(struct janitor_file *file)
{
    if (file->directory >= 0)
        (void)close(file->directory); /* it was only read */
    if (file->file >= 0)
        (void)close(file->file); /* O_PATH: not even read */
    file->directory = -1;
    file->file = -1;
}

/* Returns true if the name stands for this file.  Otherwise sets errno: ESTALE for another file. */
static bool is_at(const struct janitor_file *file, const char *name, const struct stat *expected)
{
    struct stat status;

    if (fstatat(file->directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    errno = ESTALE;
    return status.st_dev == expected->st_dev && status.st_ino == expected->st_ino;
}

/* Returns true if the place is empty or still has the file that ours replaces.  Otherwise sets
 * errno: EEXIST for another file. */
static bool is_place_free(const struct janitor_file *file)
{
    if (is_at(file, file->name, &file->before) || errno == ENOENT)
        return true;
    if (errno == ESTALE)
        errno = EEXIST;
    return false;
}

/* Waits up to *wait milliseconds; after waiting in vain, the next lock is not waited for. */
static void lock(const struct janitor_file *file, unsigned *wait)
{
    if (file_lock_directory(file->directory, *wait))
        return;
    log_warning("cannot lock the directory of %s, going on without: %m", file->name);
    *wait = 0;
}

/* Renames a temporary file into its place.  Returns 0, or an errno after logging it. */
static int32_t publish(struct janitor_file *file, unsigned *wait)
{
    int32_t error = 0;

    if (file->temporary[0] == '\0')
        return 0;
    lock(file, wait);
    if (is_at(file, file->temporary, &file->ours) && is_place_free(file) &&
        renameat(file->directory, file->temporary, file->directory, file->name) == 0)
        file->temporary[0] = '\0';
    else
        error = errno;
    file_unlock_directory(file->directory);
    errno = error;
    if (error == EEXIST)
        log_error("cannot put %s into its place: another process has just put its own there",
                  file->name);
    else if (error != 0)
        log_error("cannot put %s into its place: %m", file->name);
    return error;
}

static int32_t publish_all(struct janitor *janitor)
{
    unsigned wait = FILE_LOCK_WAIT;
    int32_t error = 0;

    for (unsigned i = 0; i < janitor->count && error == 0; i++)
        error = publish(&janitor->files[i], &wait);
    /* Also after a failure: no other process would remove them now. */
    for (unsigned i = 0; i < janitor->count; i++)
        janitor->files[i].borrowed = false;
    return error;
}

/* A file that cannot be examined stays, after an error in the log. */
static bool is_to_go(const struct janitor_file *file)
{
    if (is_at(file, name_now(file), &file->ours))
        return true;
    if (errno != ESTALE && errno != ENOENT)
        log_error("cannot remove %s, because it cannot be examined: %m", name_now(file));
    return false;
}

static void remove_all(const struct janitor *janitor)
{
    unsigned wait = FILE_LOCK_WAIT;

    for (unsigned i = 0; i < janitor->count; i++) {
        const struct janitor_file *file = &janitor->files[i];

        /* Before the lock: a daemon that has replaced the file must not wait for us. */
        if (file->borrowed || !is_to_go(file))
            continue;
        lock(file, &wait);
        if (is_to_go(file) && unlinkat(file->directory, name_now(file), 0) != 0)
            log_error("cannot remove %s: %m", name_now(file));
        file_unlock_directory(file->directory);
    }
}

/* ---- the child ---- */

/* The words of the command line lie one after another in memory: a short first word has room for a
 * longer name if others follow. */
static void show_name(char **argv)
{
    static const char name[] = "janitor";
    char *end;

    (void)prctl(PR_SET_NAME, name); /* only people read it */
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

static int close_others(struct janitor *janitor, int socket)
{
    int *kept[2 * JANITOR_FILES + 1] = {&socket};
    unsigned count = 1;

    for (unsigned i = 0; i < janitor->count; i++) {
        kept[count++] = &janitor->files[i].directory;
        kept[count++] = &janitor->files[i].file;
    }
    if (descriptors_close_others(kept, count) != 0)
        return -1;
    log_reopen();
    return 0;
}

static int give_up_privileges(void)
{
    uint64_t kept = geteuid() == 0 ? 1u << CAP_DAC_OVERRIDE | 1u << CAP_FOWNER : 0;

    (void)privileges_bound(); /* fails without CAP_SETPCAP; the janitor executes nothing anyway */
    if (privileges_keep(kept) != 0 || privileges_gain_none() != 0)
        return -1;
    return privileges_hide();
}

/* Returns 0, or -1 with errno. */
static int become_janitor(struct janitor *janitor, int socket, char **argv)
{
    sigset_t all;

    (void)sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, NULL) != 0)
        return -1;
    show_name(argv);
    (void)setsid(); /* cannot fail: a forked process leads no group */
    return close_others(janitor, socket) == 0 && chdir("/") == 0 ? give_up_privileges() : -1;
}

static bool answer(int socket, int32_t error)
{
    return send(socket, &error, sizeof(error), MSG_NOSIGNAL) == sizeof(error);
}

/* Returns false if the supervisor is gone. */
static bool handle(struct janitor *janitor, int socket, const struct request *request)
{
    if (request->type == REQUEST_PUBLISH && request->file == 0)
        return answer(socket, publish_all(janitor));
    if ((request->type == REQUEST_LEND || request->type == REQUEST_RETURN) &&
        request->file < janitor->count)
        janitor->files[request->file].borrowed = request->type == REQUEST_LEND;
    else
        log_error("the supervisor sent the janitor an unknown request %u: ignoring it",
                  request->type);
    return true;
}

/* Handles one request.  Returns false at the end of the supervisor. */
static bool serve(struct janitor *janitor, int socket)
{
    struct request request = {0};
    ssize_t length = recv(socket, &request, sizeof(request), MSG_TRUNC);

    /* During a lack of memory the janitor must not end, and remove files, while the supervisor
     * serves. */
    if (length < 0 && (errno == EINTR || errno == ENOMEM || errno == ENOBUFS || errno == EAGAIN)) {
        (void)poll(NULL, 0, 10); /* milliseconds; all signals are blocked */
        return true;
    }
    if (length <= 0)
        return false;
    if (length != sizeof(request))
        request.type = 0;
    return handle(janitor, socket, &request);
}

static _Noreturn void run_child(struct janitor *janitor, int socket, char **argv)
{
    if (become_janitor(janitor, socket, argv) != 0) {
        (void)answer(socket, errno); /* our end says the same */
        _exit(EXIT_FAILURE);
    }
    if (answer(socket, 0))
        while (serve(janitor, socket))
            continue;
    remove_all(janitor);
    _exit(EXIT_SUCCESS); /* nothing to flush */
}

/* ---- the supervisor: adding files ---- */

int janitor_add_temporary(struct janitor *janitor, const char *temporary, const char *path)
{
    struct janitor_file *file = &janitor->files[janitor->count];

    if (janitor->count == JANITOR_FILES || janitor->socket > 0)
        log_bug("the janitor takes no more files: %s", path);
    if (open_file(file, path, temporary) == 0) {
        janitor->count++;
        return 0;
    }
    log_error("cannot arrange for the removal of %s on exit: %m",
              temporary[0] == '\0' ? path : temporary);
    close_file(file);
    return -1;
}

int janitor_add(struct janitor *janitor, const char *path)
{
    if (janitor_add_temporary(janitor, "", path) == 0)
        return 0;
    (void)unlink(path); /* no remedy if it fails */
    return -1;
}

int janitor_borrow(struct janitor *janitor, const char *path)
{
    struct stat status;

    if (lstat(path, &status) != 0 || !S_ISSOCK(status.st_mode)) {
        log_error("%s is no socket here: give its path from the root directory on", path);
        return -1;
    }
    if (janitor_add_temporary(janitor, "", path) != 0)
        return -1;
    janitor->files[janitor->count - 1].borrowed = true;
    return 0;
}

/* ---- the supervisor: starting the child, and requests ---- */

/* Returns the child's answer, or -1 with errno if none comes in time. */
static int32_t await_answer(const struct janitor *janitor, int milliseconds)
{
    struct pollfd event = {.fd = janitor->socket, .events = POLLIN};
    int32_t error;
    ssize_t length;

    errno = ETIMEDOUT;
    if (poll(&event, 1, milliseconds) != 1)
        return -1;
    length = recv(janitor->socket, &error, sizeof(error), MSG_DONTWAIT | MSG_TRUNC);
    if (length == sizeof(error))
        return error;
    if (length >= 0)
        errno = length == 0 ? ESRCH : EPROTO; /* ESRCH: the child is dead */
    return -1;
}

/* The child has its own copies, and its own locks in the directories. */
static void close_files(struct janitor *janitor)
{
    for (unsigned i = 0; i < janitor->count; i++)
        close_file(&janitor->files[i]);
}

int janitor_start(struct janitor *janitor, char **argv)
{
    int32_t error = -1;
    int pair[2];

    if (janitor->count == 0)
        return 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0) {
        janitor->socket = pair[0];
        janitor->process = fork();
        if (janitor->process == 0)
            run_child(janitor, pair[1], argv);
        (void)close(pair[1]); /* the child's end */
        if (janitor->process > 0)
            error = await_answer(janitor, READY_WITHIN);
    }
    if (error == 0) {
        close_files(janitor);
        return 0;
    }
    if (error > 0)
        errno = error;
    log_error("cannot start the process that removes files on exit: %m");
    if (janitor->socket > 0)
        (void)close(janitor->socket); /* this ends the child */
    janitor->socket = 0;
    janitor->process = 0; /* reaped with all other children, or by init */
    return -1;
}

static int ask(const struct janitor *janitor, enum request_type type, unsigned file)
{
    const struct request request = {.type = type, .file = file};

    return send(janitor->socket, &request, sizeof(request), MSG_DONTWAIT | MSG_NOSIGNAL) ==
                   sizeof(request)
               ? 0
               : -1;
}

int janitor_publish(struct janitor *janitor)
{
    int32_t error = -1;

    if (janitor->count == 0)
        return 0;
    errno = ESRCH;
    if (janitor->socket > 0 && ask(janitor, REQUEST_PUBLISH, 0) == 0)
        error = await_answer(janitor, PUBLISH_WITHIN);
    if (error < 0)
        log_error("the janitor does not put files into their places: %m");
    else
        errno = error;
    return error == 0 ? 0 : -1;
}

void janitor_lend_path(struct janitor *janitor, const char *path, bool lent)
{
    for (unsigned i = 0; i < janitor->count; i++) {
        if (strcmp(janitor->files[i].path, path) != 0)
            continue;
        janitor->files[i].borrowed = lent;
        if (janitor->socket > 0 && ask(janitor, lent ? REQUEST_LEND : REQUEST_RETURN, i) != 0)
            log_warning("cannot tell the janitor that %s was %s: %m; it may remove the file too "
                        "early, or not at all",
                        janitor->files[i].name, lent ? "lent" : "returned");
    }
}

bool janitor_reaped(struct janitor *janitor, pid_t process)
{
    if (janitor->process == 0 || process != janitor->process)
        return false;
    janitor->process = 0;
    log_warning("the janitor, process %d, is dead: files will be left behind on exit", process);
    return true;
}

/* ---- the supervisor: exit ---- */

static void await_end(const struct janitor *janitor)
{
    const uint64_t deadline = loop_clock() + (uint64_t)END_WITHIN * LOOP_MILLISECOND;
    pid_t reaped;

    while ((reaped = waitpid(janitor->process, NULL, WNOHANG)) == 0 && loop_clock() < deadline)
        (void)poll(NULL, 0, 1); /* millisecond */
    if (reaped == 0)
        log_warning("the janitor, process %d, has not ended yet: exiting before it",
                    janitor->process);
}

void janitor_close(struct janitor *janitor)
{
    if (janitor->socket > 0) {
        (void)shutdown(janitor->socket, SHUT_WR); /* fails if the janitor is dead */
        if (janitor->process > 0)
            await_end(janitor);
        (void)close(janitor->socket); /* nothing left to say */
    } else {
        remove_all(janitor);
    }
    close_files(janitor);
    *janitor = (struct janitor){0};
}
