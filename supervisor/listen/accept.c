#include "supervisor/listen/accept.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/socket.h"

#include <errno.h>
#include <poll.h>

static bool has_room(struct acceptor *acceptor)
{
    return !acceptor->held && !backoff_holds(&acceptor->failures, acceptor->loop->now) &&
           acceptor->events.has_room(acceptor->events.context);
}

/* Leaves the listeners alone until has_room(): clients stay in the kernel's backlog. */
static void pause_accepting(struct acceptor *acceptor)
{
    for (size_t i = 0; i < acceptor->count; i++)
        loop_ignore(acceptor->loop, &acceptor->listeners[i].source);
    acceptor->backlog_waits = true;
}

/* Reports whether this process or the system lacks something.  Any other error of accept(2) may be
 * a pending one of the new socket. */
static bool is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void accept_failed(struct acceptor *acceptor, int error)
{
    backoff_failed(&acceptor->failures, acceptor->loop->now);
    errno = error;
    log_warning("cannot accept connections: %m; they wait in the kernel's backlog, next attempt "
                "in %llu ms",
                (unsigned long long)acceptor->failures.delay / LOOP_MILLISECOND);
    pause_accepting(acceptor);
}

static bool is_drained(const struct listener *listener)
{
    return listener->draining && listener->left == 0;
}

static void close_listener(struct listener *listener)
{
    loop_ignore(listener->acceptor->loop, &listener->source);
    listener_close(listener);
}

bool accept_is_deaf(const struct acceptor *acceptor)
{
    for (size_t i = 0; i < acceptor->count; i++)
        if (acceptor->listeners[i].descriptor >= 0 && !acceptor->listeners[i].deaf)
            return false;
    return true;
}

/* Another process that shares the socket, such as the one that passed it on, has shut it down.  The
 * other listeners go on. */
static void give_up(struct listener *listener)
{
    struct acceptor *acceptor = listener->acceptor;
    char text[LISTENER_TEXT];

    if (listener->draining) {
        close_listener(listener);
        return;
    }
    loop_ignore(acceptor->loop, &listener->source);
    listener->deaf = true;
    log_error("another process has shut down the socket that listened on %s: nobody can connect "
              "there any more",
              listener_text(listener, text));
    if (accept_is_deaf(acceptor))
        log_error("no listening socket is left");
}

/* After a client that comes alone, accept(2) is not called again in vain: the loop reports the next
 * one.  If that is in the next round, many are coming. */
static int most_to_accept(struct listener *from)
{
    const struct loop *loop = from->acceptor->loop;
    uint64_t last = from->round;

    from->round = loop->round;
    /* In a crowded round the listener may not have had its turn. */
    return from->draining || loop->crowded || from->round - last <= 1 ? ACCEPT_BATCH : 1;
}

static void accept_clients(void *context)
{
    struct listener *from = context;
    struct acceptor *acceptor = from->acceptor;
    int most = most_to_accept(from);
    int failures = 0;

    for (int i = 0; i < most; i++) {
        struct endpoint remote;
        int descriptor;

        if (is_drained(from)) {
            close_listener(from);
            return;
        }
        if (!has_room(acceptor)) {
            pause_accepting(acceptor);
            return;
        }
        descriptor = acceptor->events.reserve(acceptor->events.context) == 0
                         ? listener_accept(from, &remote)
                         : -1;
        if (descriptor >= 0) {
            acceptor->events.accepted(acceptor->events.context, descriptor, &remote);
            backoff_succeeded(&acceptor->failures);
            if (from->draining)
                from->left--;
        } else if (errno == EINVAL || /* the socket does not listen (accept(2)) */
                   (errno == EAGAIN && i == 0 && socket_is_shut_down(from->descriptor))) {
            give_up(from);
            return;
        } else if (errno == EAGAIN) {
            from->left = 0; /* some clients have left the backlog */
            if (!is_drained(from))
                return;
        } else if (is_shortage(errno) || ++failures == ACCEPT_BATCH) {
            /* If a whole batch fails alike, the cause is ours. */
            accept_failed(acceptor, errno);
            return;
        }
    }
}

static void listen_to(struct acceptor *acceptor, struct listener *each)
{
    if (each->descriptor >= 0 && !each->deaf && !acceptor->backlog_waits &&
        loop_watch(acceptor->loop, &each->source) != 0)
        accept_failed(acceptor, errno);
}

void accept_resume(struct acceptor *acceptor)
{
    if (!has_room(acceptor))
        return;
    acceptor->backlog_waits = false;
    for (size_t i = 0; i < acceptor->count; i++) {
        struct listener *each = &acceptor->listeners[(acceptor->first + i) % acceptor->count];

        /* Without waiting for an event: an empty backlog causes none. */
        if (each->draining && each->descriptor >= 0)
            accept_clients(each);
        listen_to(acceptor, each);
    }
    acceptor->first++;
}

/* Reports whether a client is in the backlog of any listener. */
static bool is_backlog_filled(const struct acceptor *acceptor)
{
    for (size_t i = 0; i < acceptor->count; i++) {
        struct pollfd listener = {.fd = acceptor->listeners[i].descriptor, .events = POLLIN};

        if (!acceptor->listeners[i].deaf && poll(&listener, 1, 0) > 0)
            return true;
    }
    return false;
}

bool accept_backlog_waits(struct acceptor *acceptor)
{
    if (acceptor->backlog_waits && !acceptor->ending && !is_backlog_filled(acceptor)) {
        acceptor->backlog_waits = false;
        for (size_t i = 0; i < acceptor->count; i++)
            listen_to(acceptor, &acceptor->listeners[i]);
    }
    return acceptor->backlog_waits;
}

static void drain(struct listener *listener)
{
    if (listener->descriptor < 0 || listener->draining)
        return;
    listener->draining = true;
    listener->left = listener->deaf ? 0 : listener_stop(listener);
    if (listener->left == 0)
        close_listener(listener);
}

void accept_retire(struct acceptor *acceptor)
{
    for (size_t i = 0; i < acceptor->count; i++)
        if (acceptor->listeners[i].retired)
            drain(&acceptor->listeners[i]);
}

void accept_hold(struct acceptor *acceptor, bool held)
{
    acceptor->held = held;
    if (held)
        pause_accepting(acceptor);
}

void accept_drain(struct acceptor *acceptor)
{
    acceptor->ending = true;
    for (size_t i = 0; i < acceptor->count; i++)
        drain(&acceptor->listeners[i]);
    if (accept_has_ended(acceptor))
        acceptor->backlog_waits = false;
}

void accept_stop(struct acceptor *acceptor)
{
    acceptor->ending = true;
    for (size_t i = 0; i < acceptor->count; i++)
        close_listener(&acceptor->listeners[i]);
    acceptor->backlog_waits = false;
}

bool accept_has_ended(const struct acceptor *acceptor)
{
    for (size_t i = 0; i < acceptor->count; i++)
        if (acceptor->listeners[i].descriptor >= 0)
            return false;
    return true;
}

void accept_set_timer(struct acceptor *acceptor)
{
    uint64_t next = 0;

    if (acceptor->backlog_waits && backoff_holds(&acceptor->failures, acceptor->loop->now))
        next = acceptor->failures.until;
    else if (acceptor->backlog_waits && has_room(acceptor))
        next = acceptor->loop->now;
    acceptor->retry.deadline = next;
}

int accept_open(struct acceptor *acceptor, struct loop *loop, struct listeners *listeners,
                const struct accept_events *events)
{
    *acceptor = (struct acceptor){
        .loop = loop,
        .events = *events,
        .listeners = listeners->list,
        .count = listeners->count,
        .failures = BACKOFF,
    };
    loop_add_timer(loop, &acceptor->retry);
    for (size_t i = 0; i < listeners->count; i++) {
        struct listener *each = &listeners->list[i];

        each->acceptor = acceptor;
        each->source = (struct loop_source){
            .descriptor = each->descriptor, .ready = accept_clients, .context = each};
        if (each->descriptor >= 0 && !each->retired && loop_watch(loop, &each->source) != 0)
            return -1;
    }
    return 0;
}
