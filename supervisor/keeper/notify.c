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

enum {
    MESSAGE_MAXIMUM = 256,
    /* Microseconds.  A shorter watchdog would keep the daemon busy with WATCHDOG=1 alone. */
    WATCHDOG_LEAST = 20000
};

/* ---- sending ---- */

void notify_end(struct notify *notify)
{
    if (notify->descriptor < 0)
        return;
    (void)close(notify->descriptor); /* nothing is buffered in it */
    notify->descriptor = -1;
    notify->retry.deadline = 0;
    notify->unheard(notify->context);
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
        notify_end(notify);
    }
    return false;
}

static void add_state(const struct notify *notify, enum notify_state state, struct text *text)
{
    if (state == NOTIFY_READY || state == NOTIFY_RELOADED)
        text_add(text, "READY=1\n");
    else if (state == NOTIFY_RELOADING)
        text_add(text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\n", notify->reloading_since);
    else if (state == NOTIFY_STOPPING)
        text_add(text, "STOPPING=1\n");
    else if (state == NOTIFY_SUCCESSOR)
        text_add(text, "MAINPID=%d\n", (int)notify->successor);
}

/* Sends a state, with the status.  Returns true if it was sent. */
static bool send_state(struct notify *notify, enum notify_state state)
{
    char bytes[MESSAGE_MAXIMUM];
    struct text text;

    text_open(&text, bytes, sizeof(bytes));
    add_state(notify, state, &text);
    if (state == NOTIFY_STATUS || (state != NOTIFY_SUCCESSOR && notify->status[0] != '\0'))
        text_add(&text, "STATUS=%s\n", notify->status);
    /* The last line needs no end. */
    if (!send_text(notify, text.bytes, text.length - 1))
        return false;
    notify->owed &= ~(1u << state | 1u << NOTIFY_STATUS);
    if (state == NOTIFY_SUCCESSOR)
        notify_end(notify);
    return true;
}

/* Sends all kept states, and sets the timer for the rest. */
static void flush(void *context)
{
    struct notify *notify = context;

    for (unsigned state = 0; state < NOTIFY_STATES && notify->descriptor >= 0; state++) {
        if ((notify->owed >> state & 1) == 0 || send_state(notify, (enum notify_state)state) ||
            notify->descriptor < 0)
            continue;
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

void notify_open(struct notify *notify)
{
    const char *word = getenv("NOTIFY_SOCKET");

    *notify = (struct notify){
        .descriptor = word == NULL ? -1 : connect_to(word),
        .full = BACKOFF,
        .retry = {.expired = flush, .context = notify},
    };
    if (notify->descriptor >= 0)
        notify->watchdog_every = read_watchdog(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"));
    (void)unsetenv("NOTIFY_SOCKET"); /* cannot fail for these names */
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
}

void notify_run(struct notify *notify, struct loop *loop)
{
    notify->loop = loop;
    loop_add_timer(loop, &notify->retry);
}

bool notify_is_open(const struct notify *notify)
{
    return notify->descriptor >= 0;
}

void notify_tell(struct notify *notify, enum notify_state state, pid_t process, const char *text)
{
    static const unsigned obsolete[NOTIFY_STATES] = {
        [NOTIFY_RELOADING] = 1u << NOTIFY_RELOADED,
        [NOTIFY_STOPPING] = 1u << NOTIFY_READY | 1u << NOTIFY_RELOADING | 1u << NOTIFY_RELOADED,
        [NOTIFY_SUCCESSOR] = ~0u,
    };
    static const char watchdog[] = "WATCHDOG=1";
    struct text line;

    if (notify->descriptor < 0 || notify->successor != 0)
        return;
    if (state == NOTIFY_WATCHDOG) {
        (void)send_text(notify, watchdog, sizeof(watchdog) - 1); /* the next one follows soon */
        return;
    }
    if (text[0] != '\0') {
        text_open(&line, notify->status, sizeof(notify->status));
        text_add(&line, "%s", text);
    }
    /* MONOTONIC_USEC must not precede the manager's signal.  The round may have begun before it, so
     * this reads the clock. */
    if (state == NOTIFY_RELOADING)
        notify->reloading_since = loop_clock();
    if (state == NOTIFY_SUCCESSOR)
        notify->successor = process;
    notify->owed = (notify->owed & ~obsolete[state]) | 1u << state;
    if (state != NOTIFY_STATUS || notify->retry.deadline == 0)
        flush(notify);
}
