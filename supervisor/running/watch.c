#include "supervisor/running/watch.h"

#include "dispatcher/shared/log.h"

#include <linux/tcp.h> /* libc's header may not know the newer members */
#include <netinet/in.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
    CLOSED = 7,                          /* TCP_CLOSE of net/tcp_states.h */
    LOOKS_AT_ONCE = 64,                  /* before other events get their turn */
    LOOKS = 16,                          /* at an idle connection, within --idle-timeout, */
    LOOK_SOONEST = 10 * LOOP_MILLISECOND /* and no more often */
};

/* Returns false for what is no TCP connection. */
static bool ask(int descriptor, struct tcp_info *info)
{
    socklen_t length = sizeof(*info);

    *info = (struct tcp_info){0};
    return getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, info, &length) == 0;
}

/* ---- --on-hangup ---- */

/* Whether a connection that shows an error, or is shut down in both directions, was cut off.  One
 * that is not closed was not: the client may still read.  If the handler has shut it down, and the
 * client has acknowledged that, the two have parted as they should.  The end takes one number of
 * the sequence (RFC 9293, 3.4), so more is acknowledged than bytes were sent. */
static bool was_cut_off(int descriptor)
{
    struct tcp_info info;

    return !ask(descriptor, &info) ||
           (info.tcpi_state == CLOSED &&
            info.tcpi_bytes_acked + info.tcpi_bytes_retrans <= info.tcpi_bytes_sent);
}

static void ignore(struct watch *watch, struct client *client)
{
    if (!client->watched)
        return;
    if (epoll_ctl(watch->hangups.descriptor, EPOLL_CTL_DEL, client->descriptor, NULL) != 0)
        log_bug("epoll_ctl: connection %d is not watched: %m", client->descriptor);
    client->watched = false;
}

static void on_hangups(void *context)
{
    enum { AT_ONCE = 64 };
    struct watch *watch = context;
    struct epoll_event events[AT_ONCE];
    int count = epoll_wait(watch->hangups.descriptor, events, AT_ONCE, 0);

    for (int i = 0; i < count; i++) {
        uint32_t handle = (uint32_t)events[i].data.u64;
        struct client *client = clients_with_handle(&watch->queue->clients, handle);

        if (client == NULL || !client->watched)
            log_bug("client %u hung up, but is not watched", handle);
        ignore(watch, client); /* the event would be raised for ever */
        if (was_cut_off(client->descriptor))
            watch->useless(watch->context, client, "its client has hung up");
    }
}

/* Errors and hang-ups are always reported (epoll_ctl(2)). */
static void watch_hangup(struct watch *watch, struct client *client)
{
    struct epoll_event event = {.events = 0, .data.u64 = client->handle};

    /* Without memory or watches, the handler runs on. */
    client->watched =
        watch->hangups.descriptor >= 0 &&
        epoll_ctl(watch->hangups.descriptor, EPOLL_CTL_ADD, client->descriptor, &event) == 0;
}

/* ---- --idle-timeout ---- */

/* Returns when the client's time is over, unless bytes move again; 0: never. */
static uint64_t look(struct watch *watch, struct client *client)
{
    struct tcp_info info;
    uint64_t at;
    uint32_t moved;
    uint32_t ago;

    if (client->descriptor < 0 || client->signal != 0 || !ask(client->descriptor, &info))
        return 0;
    moved = (uint32_t)(info.tcpi_bytes_acked + info.tcpi_bytes_received);
    ago = info.tcpi_last_data_recv < info.tcpi_last_data_sent ? info.tcpi_last_data_recv
                                                              : info.tcpi_last_data_sent;
    /* A retransmission counts as sent, so the times alone would not do. */
    if (moved != client->moved) {
        client->moved = moved;
        at = watch->loop->now - ago * (uint64_t)LOOP_MILLISECOND;
        /* What the client sent while it waited says nothing about its handler. */
        client->moved_at = at > client->started ? at : client->started;
    }
    return client->moved_at + watch->options->idle_timeout;
}

/* Returns the client itself, or the first one behind it, whose connection we have. */
static struct client *with_connection(const struct watch *watch, struct client *client)
{
    while (client != NULL && client->descriptor < 0)
        client = clients_next(&watch->queue->clients, client);
    return client;
}

static struct client *after(const struct watch *watch, const struct client *client)
{
    return with_connection(watch, clients_next(&watch->queue->clients, client));
}

static void judge(struct watch *watch, struct client *client)
{
    uint64_t deadline = look(watch, client);

    if (deadline != 0 && deadline <= watch->loop->now)
        watch->useless(watch->context, client, "its connection was idle for too long");
    else if (deadline != 0 && (watch->next == 0 || deadline < watch->next))
        watch->next = deadline;
}

static void on_idle(void *context)
{
    struct watch *watch = context;
    const uint64_t interval = watch->options->idle_timeout / LOOKS;
    uint64_t soonest = watch->loop->now + (interval < LOOK_SOONEST ? LOOK_SOONEST : interval);

    if (watch->looked_at == NULL) {
        watch->next = 0;
        watch->looked_at =
            with_connection(watch, clients_first(&watch->queue->clients, CLIENT_RUNNING));
    }
    for (int i = 0; i < LOOKS_AT_ONCE && watch->looked_at != NULL; i++) {
        judge(watch, watch->looked_at);
        watch->looked_at = after(watch, watch->looked_at);
    }
    if (watch->looked_at != NULL)
        watch->idle.deadline = watch->loop->now;
    else
        watch->idle.deadline = watch->next != 0 && watch->next < soonest ? soonest : watch->next;
}

static void watch_idle(struct watch *watch, struct client *client)
{
    uint64_t deadline = client->started + watch->options->idle_timeout;

    if (watch->options->idle_timeout == 0)
        return;
    client->moved = 0;
    client->moved_at = client->started; /* if an earlier supervisor knew better, look() finds out */
    if (watch->idle.deadline == 0 || deadline < watch->idle.deadline)
        watch->idle.deadline = deadline;
}

/* ---- all of them ---- */

int watch_open(struct watch *watch, struct loop *loop, const struct options *options,
               struct queue *queue, void (*useless)(void *, struct client *, const char *),
               void *context)
{
    *watch = (struct watch){
        .loop = loop,
        .options = options,
        .queue = queue,
        .useless = useless,
        .context = context,
        .hangups = {.descriptor = -1, .ready = on_hangups, .context = watch},
        .idle = {.expired = on_idle, .context = watch},
    };
    loop_add_timer(loop, &watch->idle);
    if (!options->end_on_hangup)
        return 0;
    watch->hangups.descriptor = epoll_create1(EPOLL_CLOEXEC);
    return watch->hangups.descriptor < 0 ? -1 : loop_watch(loop, &watch->hangups);
}

void watch_begin(struct watch *watch, struct client *client)
{
    if (client->descriptor < 0 || client->ended || client->signal != 0)
        return;
    watch_hangup(watch, client);
    watch_idle(watch, client);
}

void watch_end(struct watch *watch, struct client *client)
{
    if (client->descriptor < 0)
        return;
    if (client == watch->looked_at)
        watch->looked_at = after(watch, client);
    ignore(watch, client);
    queue_part(watch->queue, client);
}
