#include "supervisor/listen/accept.h"

#include "dispatcher/shared/log.h"
#include "supervisor/figures/report.h"
#include "supervisor/running/handlers.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

/* Whether one more client can be taken: there is a descriptor for it, and then no more than --queue
 * clients are left that cannot be started at once, or who is too many is refused later. */
static bool has_room(struct server *server)
{
    uint32_t queued = clients_count(&server->clients, CLIENT_QUEUED);

    if (handover_holds_clients(server) ||
        queued + clients_count(&server->clients, CLIENT_STARTING) >= server->capacity ||
        backoff_holds(&server->accepting, server->loop.now))
        return false;
    return server->options->refuse || queued < server->queue_maximum ||
           queued + 1 - handlers_admission(server, 1).start <= server->queue_maximum;
}

/* Leaves the listeners alone until has_room(): what comes stays in the kernel's backlog. */
static void pause_accepting(struct server *server)
{
    for (size_t i = 0; i < server->listener_count; i++)
        loop_ignore(&server->loop, &server->listeners[i].source);
    server->backlog_waits = true;
}

/* Whether accept failed for this one client only (accept(2): pending errors of the new socket). */
static bool concerns_client_only(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPERM:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case EOPNOTSUPP:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

static void accept_failed(struct server *server, int error)
{
    backoff_failed(&server->accepting, server->loop.now);
    errno = error;
    log_warning("cannot accept connections: %m; they wait in the kernel's backlog, next attempt "
                "in %llu ms",
                (unsigned long long)server->accepting.delay / LOOP_MILLISECOND);
    pause_accepting(server);
}

/* In draining, those are taken who were in the backlog when it began, and nobody after them. */
static bool is_drained(const struct server_listener *listener)
{
    return listener->draining && listener->left == 0;
}

static void close_listener(struct server_listener *listener)
{
    loop_ignore(&listener->server->loop, &listener->source);
    listener_close(listener->listener);
}

bool accept_is_deaf(const struct server *server)
{
    for (size_t i = 0; i < server->listener_count; i++)
        if (server->listeners[i].listener->descriptor >= 0 && !server->listeners[i].deaf)
            return false;
    return true;
}

/* Somebody who has the socket, too, such as who has passed it on, has shut it down.  It is left
 * alone, so that the others need not wait for it. */
static void give_up(struct server_listener *listener)
{
    struct server *server = listener->server;
    char text[LISTENER_TEXT];

    if (listener->draining) {
        close_listener(listener);
        return;
    }
    loop_ignore(&server->loop, &listener->source);
    listener->deaf = true;
    log_error("another process has shut down the socket that listened on %s: nobody can connect "
              "there any more",
              listener_text(listener->listener, text));
    if (!accept_is_deaf(server))
        return;
    log_error("no socket that listens is left");
    server->forced = true; /* the server ends then */
}

/* A connection has come: it waits from now on, unless the rules say that it is not served. */
static void enter(struct server *server, int descriptor, const struct endpoint *remote)
{
    if (access_allows(&server->policy.access, remote)) {
        loop_update(&server->loop); /* it is from now that it waits */
        (void)clients_accept(&server->clients, descriptor, remote, server->loop.now);
        return;
    }
    report_refused(server, remote, CLIENT_DENIED);
    clients_turn_away(&server->clients, CLIENT_DENIED);
    (void)close(descriptor); /* nothing was sent */
}

/* A client that comes alone is accepted without asking for another one, of which the loop would
 * tell; if it does so in the next round, many are coming. */
static int most_to_accept(struct server_listener *from)
{
    const struct loop *loop = &from->server->loop;
    uint64_t last = from->round;

    from->round = loop->round;
    /* In a crowded round it may not have had its turn. */
    return from->draining || loop->crowded || from->round - last <= 1 ? ACCEPT_BATCH : 1;
}

static void accept_clients(void *context)
{
    struct server_listener *from = context;
    struct server *server = from->server;
    int most = most_to_accept(from);
    int failures = 0;

    for (int i = 0; i < most; i++) {
        struct endpoint remote;
        int descriptor;

        if (is_drained(from)) {
            close_listener(from);
            return;
        }
        if (!has_room(server)) {
            pause_accepting(server);
            return;
        }
        descriptor =
            clients_reserve(&server->clients) == 0 ? listener_accept(from->listener, &remote) : -1;
        if (descriptor >= 0) {
            enter(server, descriptor, &remote);
            backoff_succeeded(&server->accepting);
            if (from->draining)
                from->left--;
        } else if (errno == EINVAL || /* it does not listen (accept(2)) */
                   (errno == EAGAIN && i == 0 && listener_is_shut_down(from->listener))) {
            give_up(from);
            return;
        } else if (errno == EAGAIN) {
            from->left = 0; /* some have gone by themselves */
            if (!is_drained(from))
                return;
        } else if (!concerns_client_only(errno) || ++failures == ACCEPT_BATCH) {
            /* A whole batch of clients with the same fate is none of theirs. */
            accept_failed(server, errno);
            return;
        }
    }
}

static void listen_to(struct server *server, struct server_listener *each)
{
    if (each->listener->descriptor >= 0 && !each->deaf && !server->backlog_waits &&
        loop_watch(&server->loop, &each->source) != 0)
        accept_failed(server, errno);
}

/* In draining, the backlog is emptied without waiting for an event, since an empty one causes none.
 */
void accept_resume(struct server *server)
{
    size_t at = server->first_listener;

    if (!has_room(server))
        return;
    server->backlog_waits = false;
    server->first_listener = at + 1 < server->listener_count ? at + 1 : 0;
    for (size_t i = 0; i < server->listener_count; i++) {
        struct server_listener *each = &server->listeners[at];

        if (each->draining && each->listener->descriptor >= 0)
            accept_clients(each);
        listen_to(server, each);
        at = at + 1 < server->listener_count ? at + 1 : 0;
    }
}

/* Whether somebody is in the backlog of any listener. */
static bool is_anybody_there(const struct server *server)
{
    for (size_t i = 0; i < server->listener_count; i++) {
        struct pollfd listener = {.fd = server->listeners[i].listener->descriptor,
                                  .events = POLLIN};

        if (!server->listeners[i].deaf && poll(&listener, 1, 0) > 0)
            return true;
    }
    return false;
}

bool accept_backlog_waits(struct server *server)
{
    if (server->backlog_waits && server->stage == SERVER_SERVING && !is_anybody_there(server)) {
        server->backlog_waits = false;
        for (size_t i = 0; i < server->listener_count; i++)
            listen_to(server, &server->listeners[i]);
    }
    return server->backlog_waits;
}

static void drain(struct server_listener *listener)
{
    if (listener->listener->descriptor < 0 || listener->draining)
        return;
    listener->draining = true;
    listener->left = listener->deaf ? 0 : listener_stop(listener->listener);
    if (listener->left == 0)
        close_listener(listener);
}

void accept_retire(struct server *server)
{
    for (size_t i = 0; i < server->listener_count; i++)
        if (server->listeners[i].listener->retired)
            drain(&server->listeners[i]);
}

void accept_hold(struct server *server)
{
    pause_accepting(server);
}

void accept_drain(struct server *server)
{
    for (size_t i = 0; i < server->listener_count; i++)
        drain(&server->listeners[i]);
    if (accept_has_ended(server))
        server->backlog_waits = false;
}

void accept_stop(struct server *server)
{
    for (size_t i = 0; i < server->listener_count; i++)
        close_listener(&server->listeners[i]);
    server->backlog_waits = false;
}

bool accept_has_ended(const struct server *server)
{
    for (size_t i = 0; i < server->listener_count; i++)
        if (server->listeners[i].listener->descriptor >= 0)
            return false;
    return true;
}

uint64_t accept_next_attempt(struct server *server)
{
    if (!server->backlog_waits)
        return 0;
    if (backoff_holds(&server->accepting, server->loop.now))
        return server->accepting.until;
    return has_room(server) ? server->loop.now : 0;
}

int accept_open(struct server *server, struct listeners *listeners)
{
    server->listeners = calloc(listeners->count, sizeof(*server->listeners));
    if (server->listeners == NULL)
        return -1;
    server->listener_count = listeners->count;
    for (size_t i = 0; i < listeners->count; i++) {
        struct server_listener *each = &server->listeners[i];
        *each = (struct server_listener){
            .server = server,
            .listener = &listeners->list[i],
            .source = {.descriptor = listeners->list[i].descriptor,
                       .ready = accept_clients,
                       .context = each},
        };
        if (!listeners->list[i].retired && loop_watch(&server->loop, &each->source) != 0)
            return -1;
    }
    return 0;
}
