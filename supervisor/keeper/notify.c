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
    OWED_END = 32
};

enum {
    MESSAGE_MAXIMUM = 256,
    RETRY_FIRST = 100 * LOOP_MILLISECOND,
    RETRY_LONGEST = 5 * LOOP_SECOND,

    /* Microseconds.  A shorter watchdog would keep this process busy with WATCHDOG=1 alone. */
    WATCHDOG_LEAST = 20000
};

/* ---- sending ---- */

static void give_up(struct notify *notify)
{
    (void)close(notify->descriptor); /* nothing is buffered in it */
    notify->descriptor = -1;
    notify->timer.deadline = 0;
}

static bool is_full(int error)
{
    return error == EAGAIN || error == ENOBUFS || error == ENOMEM || error == EINTR;
}

/* Returns true if the text was sent.  Closes the socket if the manager is gone: a connected socket
 * cannot find another one. */
static bool send_text(struct notify *notify, const struct text *text)
{
    if (send(notify->descriptor, text->bytes, text->length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
        notify->retry_delay = 0;
        return true;
    }
    if (!is_full(errno)) {
        log_warning("NOTIFY_SOCKET: cannot send to the service manager: %m; it gets no more "
                    "messages");
        give_up(notify);
    }
    return false;
}

static void add_state(const struct notify *notify, unsigned state, struct text *text)
{
    switch (state) {
    case OWED_READY:
    case OWED_RELOADED:
        text_add(text, "READY=1");
        break;
    case OWED_RELOADING:
        text_add(text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, notify->reloading_since);
        break;
    case OWED_STOPPING:
        text_add(text, "STOPPING=1");
        break;
    default:
        text_add(text, "MAINPID=%d", (int)notify->successor);
    }
}

/* Sends a change of state, with the status; 0: the status alone.  Returns true if it was sent. */
static bool tell(struct notify *notify, unsigned state)
{
    char bytes[MESSAGE_MAXIMUM];
    struct text text;

    text_open(&text, bytes, sizeof(bytes));
    if (state != 0)
        add_state(notify, state, &text);
    if (notify->status[0] != '\0' && state != OWED_SUCCESSOR)
        text_add(&text, "%sSTATUS=%s", state == 0 ? "" : "\n", notify->status);
    if (!send_text(notify, &text))
        return false;
    if (notify->status_owed)
        notify->status_at = notify->loop->now + NOTIFY_STATUS_EVERY;
    notify->status_owed = false;
    return true;
}

static bool tell_owed(struct notify *notify)
{
    for (unsigned state = OWED_READY; state < OWED_END; state <<= 1) {
        if ((notify->owed & state) == 0)
            continue;
        if (!tell(notify, state))
            return false;
        notify->owed &= ~state;
        if (state == OWED_SUCCESSOR) {
            give_up(notify);
            return true;
        }
    }
    return !notify->status_owed || tell(notify, 0);
}

static void wait_longer(struct notify *notify)
{
    notify->retry_delay *= 2;
    if (notify->retry_delay == 0)
        notify->retry_delay = RETRY_FIRST;
    if (notify->retry_delay > RETRY_LONGEST)
        notify->retry_delay = RETRY_LONGEST;
    notify->retry_at = notify->loop->now + notify->retry_delay;
}

static void set_timer(struct notify *notify)
{
    uint64_t held_until = notify->status_held ? notify->status_at : 0;

    if (notify->retry_at != 0 && (held_until == 0 || notify->retry_at < held_until))
        notify->timer.deadline = notify->retry_at;
    else
        notify->timer.deadline = held_until;
}

/* Sends all pending messages, and sets the timer for the rest. */
static void flush(struct notify *notify)
{
    bool all;

    if (notify->descriptor < 0)
        return;
    all = tell_owed(notify);
    if (notify->descriptor < 0)
        return;
    notify->retry_at = 0;
    if (!all)
        wait_longer(notify);
    set_timer(notify);
}

/* Retries.  Lets the server offer a held status again, after this round. */
static void on_timer(void *context)
{
    struct notify *notify = context;

    if (notify->status_held && notify->status_at <= notify->loop->now)
        notify->status_held = false;
    if (notify->retry_at != 0 && notify->retry_at <= notify->loop->now)
        flush(notify);
    else
        set_timer(notify);
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

static int read_watchdog(const char *period, const char *process, uint64_t *every)
{
    uint64_t number;

    if (process != NULL && (!parse_number(process, INT32_MAX, &number) || number == 0)) {
        log_warning("WATCHDOG_PID: '%s': expected the number of a process; the service manager "
                    "gets no WATCHDOG=1",
                    process);
        return -1;
    }
    if (process != NULL && (pid_t)number != getpid())
        return 0; /* meant for another process */
    if (!parse_number(period, INT64_MAX, &number) || number < WATCHDOG_LEAST) {
        log_warning("WATCHDOG_USEC: '%s': expected a number of microseconds, %d at least; the "
                    "service manager gets no WATCHDOG=1",
                    period, WATCHDOG_LEAST);
        return -1;
    }
    *every = number / 2;
    return 0;
}

/* Removes the manager's variables from the environment: handlers must not inherit them.  Returns 0,
 * or -1 after a warning. */
static int take_environment(struct notify *notify)
{
    const char *word = getenv("NOTIFY_SOCKET");
    const char *period = getenv("WATCHDOG_USEC");
    int result = 0;

    if (word != NULL)
        notify->descriptor = connect_to(word);
    if (word != NULL && notify->descriptor < 0)
        result = -1;
    if (notify->descriptor >= 0 && period != NULL &&
        read_watchdog(period, getenv("WATCHDOG_PID"), &notify->watchdog_every) != 0)
        result = -1;
    (void)unsetenv("NOTIFY_SOCKET"); /* cannot fail for these names */
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
    return result;
}

int notify_open(struct notify *notify, struct loop *loop)
{
    *notify = (struct notify){
        .loop = loop,
        .descriptor = -1,
        .timer = {.expired = on_timer, .context = notify},
    };
    loop_add_timer(loop, &notify->timer);
    return take_environment(notify);
}

/* ---- messages ---- */

bool notify_is_open(const struct notify *notify)
{
    return notify->descriptor >= 0;
}

static void owe(struct notify *notify, unsigned owed)
{
    notify->owed = owed;
    flush(notify);
}

void notify_ready(struct notify *notify)
{
    notify->serving = true;
    if (!notify->stopping) /* after a takeover, STOPPING=1 may precede it */
        owe(notify, notify->owed | OWED_READY);
}

/* MONOTONIC_USEC must not precede the manager's signal.  The round may have begun before it, so
 * this reads the clock. */
void notify_reloading(struct notify *notify)
{
    if (notify->stopping)
        return;
    notify->reloading_since = loop_clock();
    owe(notify, (notify->owed & OWED_READY) | OWED_RELOADING);
}

void notify_reloaded(struct notify *notify)
{
    if (!notify->stopping)
        owe(notify, notify->owed | OWED_RELOADED);
}

void notify_stopping(struct notify *notify)
{
    if (notify->stopping)
        return;
    notify->stopping = true;
    notify->status_at = 0; /* the next status is about the end, and urgent */
    owe(notify, OWED_STOPPING);
}

void notify_successor(struct notify *notify, pid_t process)
{
    notify->stopping = true;
    notify->successor = process;
    notify->status_owed = false;
    owe(notify, OWED_SUCCESSOR);
}

bool notify_takes_status(struct notify *notify)
{
    notify->status_held = notify->status_at > notify->loop->now;
    if (!notify->status_held)
        return true;
    set_timer(notify);
    return false;
}

void notify_status(struct notify *notify, const char *text)
{
    struct text line;

    if (notify->descriptor < 0 || notify->successor != 0 || strcmp(notify->status, text) == 0)
        return;
    text_open(&line, notify->status, sizeof(notify->status));
    text_add(&line, "%s", text);
    notify->status_owed = true;
    if (notify->serving && notify->retry_at == 0)
        flush(notify);
}

uint64_t notify_watchdog_every(const struct notify *notify)
{
    return notify->descriptor >= 0 ? notify->watchdog_every : 0;
}

void notify_watchdog(struct notify *notify)
{
    char bytes[MESSAGE_MAXIMUM];
    struct text text;

    if (notify->descriptor < 0 || notify->successor != 0)
        return;
    text_open(&text, bytes, sizeof(bytes));
    text_add(&text, "WATCHDOG=1");
    (void)send_text(notify, &text); /* if it is lost, the next one follows soon */
}
