#include "supervisor/keeper/notify.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/text.h"
#include "supervisor/base/parse.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Bits of `owed`, in the order of sending. */
enum {
    OWED_READY = 1,
    OWED_RELOADING = 2,
    OWED_RELOADED = 4,
    OWED_STOPPING = 8,
    OWED_SUCCESSOR = 16,
    OWED_STATUS = 32
};

enum {
    MESSAGE_MAXIMUM = 256,

    /* Microseconds.  A shorter watchdog would keep this process busy with WATCHDOG=1 alone. */
    WATCHDOG_LEAST = 20000
};

/* ---- sending ---- */

static void give_up(struct notify *notify)
{
    (void)close(notify->descriptor); /* nothing is buffered in it */
    notify->descriptor = -1;
    notify->watchdog_every = 0;
    notify->retry.deadline = 0;
    notify->status_due.deadline = 0;
}

static bool is_full(int error)
{
    return error == EAGAIN || error == ENOBUFS || error == ENOMEM || error == EINTR;
}

/* Returns true if the text was sent.  Closes the socket if the manager is gone: a connected socket
 * cannot find another one. */
static bool send_text(struct notify *notify, const char *text, size_t length)
{
    if (send(notify->descriptor, text, length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        return true;
    if (!is_full(errno)) {
        log_warning("NOTIFY_SOCKET: cannot send to the service manager: %m; it gets no more "
                    "messages");
        give_up(notify);
    }
    return false;
}

static void add_state(const struct notify *notify, unsigned state, struct text *text)
{
    if (state == OWED_READY || state == OWED_RELOADED)
        text_add(text, "READY=1\n");
    else if (state == OWED_RELOADING)
        text_add(text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\n", notify->reloading_since);
    else if (state == OWED_STOPPING)
        text_add(text, "STOPPING=1\n");
    else if (state == OWED_SUCCESSOR)
        text_add(text, "MAINPID=%d\n", (int)notify->successor);
}

/* Sends a change of state, with the status.  Returns true if it was sent. */
static bool tell(struct notify *notify, unsigned state)
{
    char bytes[MESSAGE_MAXIMUM];
    struct text text;

    text_open(&text, bytes, sizeof(bytes));
    add_state(notify, state, &text);
    if (state == OWED_STATUS || (state != OWED_SUCCESSOR && notify->status[0] != '\0'))
        text_add(&text, "STATUS=%s\n", notify->status);
    /* The last line needs no end. */
    if (!send_text(notify, text.bytes, text.length - 1))
        return false;
    if ((notify->owed & OWED_STATUS) != 0)
        notify->status_at = notify->loop->now + NOTIFY_STATUS_EVERY;
    notify->owed &= ~(state | OWED_STATUS);
    if (state == OWED_SUCCESSOR)
        give_up(notify);
    return true;
}

/* Sends all pending messages, and sets the timer for the rest. */
static void flush(void *context)
{
    struct notify *notify = context;

    while (notify->descriptor >= 0 && notify->owed != 0) {
        unsigned first = notify->owed & -notify->owed;

        if (tell(notify, first))
            continue;
        if (notify->descriptor < 0)
            return;
        backoff_failed(&notify->full, notify->loop->now);
        notify->retry.deadline = notify->full.until;
        return;
    }
    backoff_succeeded(&notify->full);
    notify->retry.deadline = 0;
}

/* ---- opening ---- */

/* Fills in the address.  Returns its length, or 0 if the word is no address. */
static socklen_t read_address(const char *word, struct sockaddr_un *address)
{
    size_t length = strlen(word);

    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if ((word[0] != '/' && word[0] != '@') || length < 2 || length >= sizeof(address->sun_path))
        return 0;
    memcpy(address->sun_path, word, length);
    if (word[0] == '/')
        length++; /* with its NUL */
    else
        address->sun_path[0] = '\0'; /* an abstract name (unix(7)) */
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

/* Returns the socket, or -1 with a warning logged. */
static int connect_to(const char *word)
{
    struct sockaddr_un address;
    socklen_t length = read_address(word, &address);
    int descriptor;

    if (length == 0) {
        log_warning("NOTIFY_SOCKET: '%s': expected an absolute path or @NAME, of %zu bytes at "
                    "most; the service manager gets no messages",
                    word, sizeof(address.sun_path) - 1);
        return -1;
    }
    descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor >= 0 && connect(descriptor, (struct sockaddr *)&address, length) == 0)
        return descriptor;
    log_warning("NOTIFY_SOCKET: cannot connect to '%s': %m; the service manager gets no messages",
                word);
    if (descriptor >= 0)
        (void)close(descriptor); /* nothing was sent */
    return -1;
}

/* Returns the interval of WATCHDOG=1; 0: none, after a warning if the manager's words are wrong. */
static uint64_t read_watchdog(const char *period, const char *process)
{
    uint64_t number;

    if (period == NULL)
        return 0;
    if (process != NULL && (!parse_number(process, INT32_MAX, &number) || number == 0)) {
        log_warning("WATCHDOG_PID: '%s': expected the number of a process; the service manager "
                    "gets no WATCHDOG=1",
                    process);
        return 0;
    }
    if (process != NULL && (pid_t)number != getpid())
        return 0; /* meant for another process */
    if (parse_number(period, INT64_MAX, &number) && number >= WATCHDOG_LEAST)
        return number / 2;
    log_warning("WATCHDOG_USEC: '%s': expected a number of microseconds, %d at least; the "
                "service manager gets no WATCHDOG=1",
                period, WATCHDOG_LEAST);
    return 0;
}

void notify_open(struct notify *notify, struct loop *loop)
{
    const char *word = getenv("NOTIFY_SOCKET");

    *notify = (struct notify){
        .loop = loop,
        .descriptor = word == NULL ? -1 : connect_to(word),
        .full = BACKOFF,
        .retry = {.expired = flush, .context = notify},
    };
    if (notify->descriptor >= 0)
        notify->watchdog_every = read_watchdog(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"));
    loop_add_timer(loop, &notify->retry);
    loop_add_timer(loop, &notify->status_due);
    (void)unsetenv("NOTIFY_SOCKET"); /* cannot fail for these names */
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
}

/* ---- messages ---- */

bool notify_is_open(const struct notify *notify)
{
    return notify->descriptor >= 0;
}

/* Adds a change of state, and drops the changes that it makes obsolete. */
static void owe(struct notify *notify, unsigned state, unsigned obsolete)
{
    notify->owed = (notify->owed & ~obsolete) | state;
    flush(notify);
}

void notify_ready(struct notify *notify)
{
    notify->serving = true;
    if (!notify->stopping) /* after a takeover, STOPPING=1 may precede it */
        owe(notify, OWED_READY, 0);
}

/* MONOTONIC_USEC must not precede the manager's signal.  The round may have begun before it, so
 * this reads the clock. */
void notify_reloading(struct notify *notify)
{
    if (notify->stopping)
        return;
    notify->reloading_since = loop_clock();
    owe(notify, OWED_RELOADING, OWED_RELOADED);
}

void notify_reloaded(struct notify *notify)
{
    if (!notify->stopping)
        owe(notify, OWED_RELOADED, 0);
}

void notify_stopping(struct notify *notify)
{
    if (notify->stopping)
        return;
    notify->stopping = true;
    notify->status_at = 0; /* the next status is about the end, and urgent */
    owe(notify, OWED_STOPPING, OWED_READY | OWED_RELOADING | OWED_RELOADED);
}

void notify_successor(struct notify *notify, pid_t process)
{
    notify->stopping = true;
    notify->successor = process;
    owe(notify, OWED_SUCCESSOR, ~0u);
}

bool notify_takes_status(struct notify *notify)
{
    if (notify->status_at <= notify->loop->now)
        return true;
    notify->status_due.deadline = notify->status_at;
    return false;
}

void notify_status(struct notify *notify, const char *text)
{
    struct text line;

    if (notify->descriptor < 0 || notify->successor != 0 || strcmp(notify->status, text) == 0)
        return;
    text_open(&line, notify->status, sizeof(notify->status));
    text_add(&line, "%s", text);
    notify->owed |= OWED_STATUS;
    if (notify->serving && notify->retry.deadline == 0)
        flush(notify);
}

void notify_watchdog(struct notify *notify)
{
    static const char message[] = "WATCHDOG=1";

    if (notify->descriptor >= 0 && notify->successor == 0)
        (void)send_text(notify, message, sizeof(message) - 1); /* the next one follows soon */
}
