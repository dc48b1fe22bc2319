#include "supervisor/keeper/janitor.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/privileges.h"
#include "supervisor/base/descriptors.h"
#include "supervisor/base/directory.h"
#include "supervisor/base/loop.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Milliseconds. */
enum { READY_WITHIN = 10000, PUBLISH_WITHIN = 5000, END_WITHIN = 2000 };

enum request_type { REQUEST_PUBLISH = 1, REQUEST_LEND, REQUEST_RETURN };

struct request {
    uint32_t type;
    uint32_t file; /* 0 with REQUEST_PUBLISH */
};

/* The child sends one when it is ready, and one for each REQUEST_PUBLISH. */
struct answer {
    int32_t error; /* errno, or 0 */
    uint32_t file; /* the file that failed */
};

/* ---- both processes ---- */

static struct answer publish_all(struct janitor *janitor)
{
    struct answer answer = {0};
    unsigned wait = DIRECTORY_LOCK_WAIT;

    for (unsigned i = 0; i < janitor->count && answer.error == 0; i++)
        answer = (struct answer){.error = cleanup_publish(&janitor->files[i], &wait), .file = i};
    /* Also after a failure: no other process would remove them now. */
    for (unsigned i = 0; i < janitor->count; i++)
        janitor->files[i].borrowed = false;
    return answer;
}

static void remove_all(const struct janitor *janitor)
{
    unsigned wait = DIRECTORY_LOCK_WAIT;

    for (unsigned i = 0; i < janitor->count; i++)
        cleanup_remove(&janitor->files[i], &wait);
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

static int close_others(const struct janitor *janitor, int socket)
{
    int kept[2 * JANITOR_FILES + 1] = {socket};
    unsigned count = 1;

    for (unsigned i = 0; i < janitor->count; i++) {
        if (janitor->files[i].directory < 0)
            continue;
        kept[count++] = janitor->files[i].directory;
        kept[count++] = janitor->files[i].file;
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
static int become_janitor(const struct janitor *janitor, int socket, char **argv)
{
    sigset_t all;

    (void)sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, NULL) != 0)
        return -1;
    show_name(argv);
    (void)setsid(); /* cannot fail: a forked process leads no group */
    return close_others(janitor, socket) == 0 && chdir("/") == 0 ? give_up_privileges() : -1;
}

static bool send_answer(int socket, struct answer answer)
{
    return send(socket, &answer, sizeof(answer), MSG_NOSIGNAL) == sizeof(answer);
}

/* After a lack of memory, waits a moment and returns true: the janitor must not end, and remove
 * files, while the supervisor serves. */
static bool lacks_memory(void)
{
    if (errno != ENOMEM && errno != ENOBUFS && errno != EAGAIN)
        return false;
    (void)poll(NULL, 0, 10); /* milliseconds; all signals are blocked */
    return true;
}

/* Returns false if the supervisor is gone. */
static bool handle(struct janitor *janitor, int socket, const struct request *request)
{
    if (request->type == REQUEST_PUBLISH && request->file == 0)
        return send_answer(socket, publish_all(janitor));
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

    if (length < 0 && (errno == EINTR || lacks_memory()))
        return true;
    if (length <= 0)
        return false;
    if (length != sizeof(request))
        request.type = 0;
    return handle(janitor, socket, &request);
}

static _Noreturn void run_child(struct janitor *janitor, int socket, char **argv)
{
    if (become_janitor(janitor, socket, argv) != 0) {
        (void)send_answer(socket, (struct answer){.error = errno}); /* our end says the same */
        _exit(EXIT_FAILURE);
    }
    if (send_answer(socket, (struct answer){0}))
        while (serve(janitor, socket))
            continue;
    remove_all(janitor);
    _exit(EXIT_SUCCESS); /* nothing to flush */
}

/* ---- the supervisor: adding files ---- */

static int add(struct janitor *janitor, const char *path, const char *temporary)
{
    struct cleanup_file *file = &janitor->files[janitor->count];

    if (janitor->count == JANITOR_FILES || janitor->socket > 0)
        log_bug("the janitor takes no more files: %s", path);
    if (cleanup_open(file, path, temporary) == 0)
        return (int)janitor->count++;
    log_error("cannot arrange for the removal of %s on exit: %m",
              temporary == NULL ? path : temporary);
    cleanup_close(file);
    return -1;
}

int janitor_add(struct janitor *janitor, const char *path)
{
    int file = add(janitor, path, NULL);

    if (file < 0)
        (void)unlink(path); /* no remedy if it fails */
    return file;
}

int janitor_borrow(struct janitor *janitor, const char *path)
{
    struct stat status;
    int file;

    if (lstat(path, &status) != 0 || !S_ISSOCK(status.st_mode)) {
        log_error("%s is no socket here: give its path from the root directory on", path);
        return -1;
    }
    file = add(janitor, path, NULL);
    if (file >= 0)
        janitor->files[file].borrowed = true;
    return file;
}

int janitor_add_temporary(struct janitor *janitor, const char *temporary, const char *path)
{
    return add(janitor, path, temporary);
}

/* ---- the supervisor: starting the child, and requests ---- */

/* Waits for an answer.  Returns 0, or -1 with errno, which may be the child's. */
static int await_answer(const struct janitor *janitor, int milliseconds, struct answer *answer)
{
    struct pollfd event = {.fd = janitor->socket, .events = POLLIN};
    ssize_t length;

    errno = ETIMEDOUT;
    if (poll(&event, 1, milliseconds) != 1)
        return -1;
    length = recv(janitor->socket, answer, sizeof(*answer), MSG_DONTWAIT | MSG_TRUNC);
    if (length == 0)
        errno = ESRCH; /* the child is dead */
    else if (length == sizeof(*answer))
        errno = answer->error;
    else if (length > 0)
        errno = EPROTO;
    return errno == 0 && length > 0 ? 0 : -1;
}

/* The child has its own copies, and its own locks in the directories. */
static void close_files(struct janitor *janitor)
{
    for (unsigned i = 0; i < janitor->count; i++)
        cleanup_close(&janitor->files[i]);
}

static int fork_child(struct janitor *janitor, char **argv)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    janitor->process = fork();
    if (janitor->process == 0)
        run_child(janitor, pair[1], argv);
    (void)close(pair[1]); /* the child's end */
    if (janitor->process > 0) {
        janitor->socket = pair[0];
        return 0;
    }
    (void)close(pair[0]); /* unused */
    janitor->process = 0;
    return -1;
}

int janitor_start(struct janitor *janitor, char **argv)
{
    struct answer answer;

    if (janitor->count == 0)
        return 0;
    if (fork_child(janitor, argv) == 0 && await_answer(janitor, READY_WITHIN, &answer) == 0) {
        close_files(janitor);
        return 0;
    }
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

static bool has_unpublished(const struct janitor *janitor)
{
    for (unsigned i = 0; i < janitor->count; i++)
        if (janitor->files[i].temporary[0] != '\0' || janitor->files[i].borrowed)
            return true;
    return false;
}

int janitor_publish(struct janitor *janitor)
{
    struct answer answer = {.file = JANITOR_FILES};
    int error;

    if (!has_unpublished(janitor))
        return 0;
    errno = ESRCH;
    if (janitor->socket > 0 && ask(janitor, REQUEST_PUBLISH, 0) == 0 &&
        await_answer(janitor, PUBLISH_WITHIN, &answer) == 0)
        return 0;
    error = errno;
    if (answer.file >= janitor->count)
        log_error("the janitor does not put files into their places: %m");
    else if (error == EEXIST)
        log_error("cannot put %s into its place: another process has just put its own there",
                  janitor->files[answer.file].name);
    else
        log_error("cannot put %s into its place: %m", janitor->files[answer.file].name);
    errno = error;
    return -1;
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
    struct pollfd event = {.fd = janitor->socket};
    pid_t reaped = 0;

    (void)poll(&event, 1, END_WITHIN); /* its socket closes just before its end; waitpid(2) tells */
    while ((reaped = waitpid(janitor->process, NULL, WNOHANG)) == 0 && loop_clock() < deadline)
        (void)poll(NULL, 0, 1); /* a moment more, unless the janitor is stopped */
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
