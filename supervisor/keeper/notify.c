#include "supervisor/keeper/notify.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/text.h"
#include "supervisor/keeper/notify_environment.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* In the order in which they are told: each may be followed by those behind it only. */
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
    RETRY_LONGEST = 5 * LOOP_SECOND
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

/* Returns whether it was sent.  A connected socket finds no other manager: if this one is gone,
 * that is all. */
static bool send_text(struct notify *notify, const struct text *text)
{
    if (send(notify->descriptor, text->bytes, text->length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
        notify->retry_delay = 0;
        return true;
    }
    if (!is_full(errno)) {
        log_warning("NOTIFY_SOCKET: cannot send to the service manager: %m; it is told nothing "
                    "any more");
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

/* `state` is 0 for the status alone.  Returns whether it was sent. */
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

/* Tells all that can be told now. */
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

/* What is due is looked at, and a status that was held is offered again after the round. */
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

/* ---- beginning ---- */

int notify_open(struct notify *notify, struct loop *loop)
{
    struct notify_environment environment;
    int result = notify_environment_take(&environment);

    *notify = (struct notify){
        .loop = loop,
        .descriptor = environment.descriptor,
        .watchdog_every = environment.watchdog_every,
        .timer = {.expired = on_timer, .context = notify},
    };
    loop_add_timer(loop, &notify->timer);
    return result;
}

/* ---- what there is to tell ---- */

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
    if (!notify->stopping) /* after a takeover, the end may come first */
        owe(notify, notify->owed | OWED_READY);
}

/* The manager may be waiting for it since it sent the signal, so the clock is asked anew: the round
 * may have begun before that. */
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
    notify->status_at = 0; /* what it says now is another thing */
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
    (void)send_text(notify, &text); /* the next one follows soon */
}
