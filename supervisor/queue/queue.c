#include "supervisor/queue/queue.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/release.h"
#include "supervisor/base/stores.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CROWDED_FOR = LOOP_SECOND,
    /* Most clients that wait at all wait for less than this.  Looking at them when their turn comes
     * is cheaper than watching them. */
    WATCHED_AFTER = 50 * LOOP_MILLISECOND,
    /* But no more than this many, since all of them come to be watched in one round.  How many are
     * watched already does not matter: others may overtake a crowd. */
    UNWATCHED_AT_MOST = 128,
    /* A queue that came from another process is watched in slices; until its turn, a client is
     * looked at like one that is not watched.  No clock is read: this is on every client's way. */
    WATCHED_AT_ONCE = 1024,
    LINGERING_SHARE = 8, /* lingering clients get at most one of so many descriptors */
    REFUSED_MAXIMUM = 256,
    REFUSED_FOR = 2 * LOOP_SECOND, /* a refused client may linger */
    REFUSED_BYTES = 1 << 20        /* and send */
};

/* ---- opening ---- */

static void on_signs(void *context);
static void clear_some(void *context);

int queue_open(struct queue *queue, struct loop *loop, const struct options *options,
               struct clients_books *books, int *known, const struct queue_events *events)
{
    queue->known = known;
    queue->loop = loop;
    queue->options = options;
    queue->events = *events;
    loop_add_timer(loop, &queue->judgement);
    loop_add_timer(loop, &queue->expiry);
    queue->clearing = (struct loop_timer){.expired = clear_some, .context = queue};
    loop_add_timer(loop, &queue->clearing);
    queue->signs = (struct loop_source){.descriptor = -1, .ready = on_signs, .context = queue};
    if (clients_open(&queue->clients, books, options) != 0)
        return -1;
    if (options->abandon == OPTIONS_ABANDON_NEVER)
        return 0;
    queue->signs.descriptor = epoll_create1(EPOLL_CLOEXEC);
    return queue->signs.descriptor < 0 ? -1 : loop_watch(loop, &queue->signs);
}

static uint32_t at_most(uint32_t number, uint32_t most)
{
    return number < most ? number : most;
}

bool queue_divide(struct queue *queue, uint32_t descriptors, uint32_t newcomers)
{
    const struct options *options = queue->options;
    uint32_t share = descriptors / LINGERING_SHARE;
    /* When a dispatcher dies, a connection may come back twice for a moment. */
    uint32_t returned = at_most(share, PROTOCOL_SLOTS);
    uint32_t judged = options->refuse ? at_most(share, newcomers) : 0; /* on top of a full queue */
    /* The operator may set --queue-timeout later. */
    bool refuses = options->refuse || options->queue_timeout > 0 ||
                   options->per_source_queue != UNLIMITED || options->control != NULL;
    uint32_t lingering = at_most(share, options->linger > 0 ? LINGERING_MAXIMUM
                                        : refuses           ? REFUSED_MAXIMUM
                                                            : 0);

    if (descriptors == 0 || (options->refuse && judged == 0))
        return false;
    lingering_open(&queue->lingering, queue->loop, queue->known, lingering,
                   options->linger > REFUSED_FOR ? options->linger : REFUSED_FOR,
                   options->linger > 0 ? UINT64_MAX : REFUSED_BYTES);
    queue->capacity = descriptors - lingering - returned;
    queue->possible = queue->capacity - judged;
    queue_limit(queue);
    return true;
}

void queue_limit(struct queue *queue)
{
    queue->maximum = at_most(queue->options->queue, queue->possible);
    order_limit(&queue->clients.order);
}

void queue_close(struct queue *queue)
{
    clients_close(&queue->clients);
    access_free(&queue->policy.access);
}

/* ---- entering ---- */

bool queue_has_room(const struct queue *queue, uint32_t startable)
{
    uint32_t queued = clients_count(&queue->clients, CLIENT_QUEUED);
    uint32_t held = queued + clients_count(&queue->clients, CLIENT_STARTING) + queue->clients.kept;

    return held < queue->capacity &&
           (queue->options->refuse || queued + 1 - startable <= queue->maximum);
}

void queue_enter(struct queue *queue, int descriptor, const struct endpoint *remote)
{
    if (!access_allows(&queue->policy.access, remote)) {
        queue->events.refused(queue->events.context, remote, CLIENT_DENIED);
        clients_turn_away(&queue->clients, descriptor, remote, CLIENT_DENIED);
        return;
    }
    loop_update(queue->loop); /* its wait begins now */
    (void)clients_accept(&queue->clients, descriptor, remote, queue->loop->now);
}

/* ---- giving up ---- */

/* Errors and hang-ups are always reported (epoll_ctl(2), poll(2)). */
static bool half_close_counts(const struct queue *queue)
{
    return queue->options->abandon == OPTIONS_ABANDON_HALF_CLOSE ||
           queue->options->abandon == OPTIONS_ABANDON_SILENT;
}

/* Whether a client that shows such signs has given up: with --abandon silent, one that has only
 * closed its side may still have sent a request. */
static bool has_given_up(const struct queue *queue, const struct client *client, bool hung_up)
{
    char byte;

    return hung_up || queue->options->abandon != OPTIONS_ABANDON_SILENT ||
           recv(client->descriptor, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT) <= 0;
}

void queue_watch(struct queue *queue, struct client *client)
{
    struct epoll_event event = {.events = half_close_counts(queue) ? EPOLLRDHUP : 0,
                                .data.u64 = client->handle};

    if (client->watched || queue->signs.descriptor < 0 ||
        epoll_ctl(queue->signs.descriptor, EPOLL_CTL_ADD, client->descriptor, &event) != 0)
        return; /* no memory or no watches: it is looked at when its turn comes */
    client->watched = true;
    queue->watched_count++;
}

void queue_unwatch(struct queue *queue, struct client *client)
{
    if (!client->watched)
        return;
    if (epoll_ctl(queue->signs.descriptor, EPOLL_CTL_DEL, client->descriptor, NULL) != 0)
        log_bug("epoll_ctl: connection %d is not watched: %m", client->descriptor);
    client->watched = false;
    queue->watched_count--;
}

static void end_abandoned(struct queue *queue, struct client *client)
{
    clients_deal_with(&queue->clients, clients_ticket(client));
    queue_unwatch(queue, client);
    queue->events.abandoned(queue->events.context, client);
    clients_end(&queue->clients, client, CLIENT_ABANDONED);
}

/* A client that has closed its side, and waits on, must not raise this event again. */
static void watch_for_hangup(struct queue *queue, struct client *client)
{
    struct epoll_event event = {.events = 0, .data.u64 = client->handle};

    if (epoll_ctl(queue->signs.descriptor, EPOLL_CTL_MOD, client->descriptor, &event) != 0)
        queue_unwatch(queue, client);
}

void queue_look(struct queue *queue)
{
    enum { AT_ONCE = 64 };
    const uint64_t end = loop_clock() + LOOP_SLICE;
    struct epoll_event events[AT_ONCE];
    int count = AT_ONCE;

    while (queue->watched_count > 0 && count == AT_ONCE) {
        if (loop_clock() >= end) {
            queue->unheard = queue->loop->round;
            return;
        }
        count = epoll_wait(queue->signs.descriptor, events, AT_ONCE, 0);
        if (count < 0 && errno != EINTR)
            log_bug("epoll_wait: %m");
        for (int i = 0; i < count; i++) {
            uint32_t handle = (uint32_t)events[i].data.u64;
            struct client *client = clients_with_handle(&queue->clients, handle);

            /* An unknown connection would raise this event for ever. */
            if (client == NULL || !client->watched)
                log_bug("client %u hung up, but is not watched", handle);
            if (has_given_up(queue, client, (events[i].events & (EPOLLERR | EPOLLHUP)) != 0))
                end_abandoned(queue, client);
            else
                watch_for_hangup(queue, client);
        }
    }
}

static void on_signs(void *context)
{
    queue_look(context);
}

/* Whether this round has left signs for the next one. */
static bool has_unheard(const struct queue *queue)
{
    return queue->unheard == queue->loop->round;
}

bool queue_is_present(struct queue *queue, struct client *client)
{
    struct pollfd connection = {.fd = client->descriptor,
                                .events = half_close_counts(queue) ? POLLRDHUP : 0};

    /* The loop, or queue_look(), reports the watched ones. */
    if ((client->watched && !has_unheard(queue)) || queue->signs.descriptor < 0 ||
        poll(&connection, 1, 0) <= 0 ||
        !has_given_up(queue, client, (connection.revents & (POLLERR | POLLHUP)) != 0))
        return true;
    end_abandoned(queue, client);
    return false;
}

/* ---- refusing ---- */

/* Sends a refused client the message.  Nothing was sent before, so the socket takes all of it. */
static bool tell(const struct queue *queue, int descriptor)
{
    const struct options_busy *message = &queue->policy.busy;

    return message->length == 0 || send(descriptor, message->text, message->length,
                                        MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)message->length;
}

static void refuse(struct queue *queue, struct client *client, enum client_end reason)
{
    int descriptor = client->descriptor;

    clients_deal_with(&queue->clients, clients_ticket(client));
    queue_unwatch(queue, client);
    queue->events.refused(queue->events.context, &client->remote, reason);
    /* In this order: if this process is killed in between, no handler serves a client that may have
     * been sent the message, and its connection does not look like a new client. */
    clients_begin_end(&queue->clients, client, reason);
    if (tell(queue, descriptor)) {
        lingering_begin(&queue->lingering, descriptor, REFUSED_FOR, REFUSED_BYTES);
        stores_settle();
        client->descriptor = -1;
    }
    clients_finish_end(&queue->clients, client);
}

void queue_part(struct queue *queue, struct client *client)
{
    const uint64_t time = queue->options->linger;

    if (time > 0)
        lingering_begin(&queue->lingering, client->descriptor, time, UINT64_MAX);
    else
        release(client->descriptor);
    clients_part(&queue->clients, client);
}

static bool is_new(const struct queue *queue, const struct client *client)
{
    return client != NULL && clients_ticket(client) > queue->clients.books->judged;
}

/* Clients that only lack room at a dispatcher start within milliseconds, so they do not count as
 * waiting; but if that lasts, they do. */
static uint32_t excused(struct queue *queue, uint32_t about_to_start)
{
    if (about_to_start == 0) {
        queue->crowded_until = 0;
        return 0;
    }
    if (queue->crowded_until == 0)
        queue->crowded_until = queue->loop->now + CROWDED_FOR;
    return queue->loop->now < queue->crowded_until ? about_to_start : 0;
}

/* Refuses new clients, the newest first, until `most` wait or the time is over.  Returns false if
 * others are left. */
static bool refuse_excess(struct queue *queue, uint32_t most, uint64_t end)
{
    const struct clients *clients = &queue->clients;
    struct client *client = clients_newest(clients);

    while (is_new(queue, client) && clients_count(clients, CLIENT_QUEUED) > most) {
        struct client *before = clients_before(clients, client);

        if (loop_clock() >= end)
            return false;
        refuse(queue, client, CLIENT_REFUSED_QUEUE);
        client = before;
    }
    return true;
}

/* Does the same with new clients of sources with too many waiting. */
static bool refuse_excess_of_sources(struct queue *queue, uint64_t end)
{
    const struct clients *clients = &queue->clients;
    struct client *before;

    for (struct client *client = clients_newest(clients); is_new(queue, client); client = before) {
        before = clients_before(clients, client);
        if (order_waiting(client->place.line) <= queue->options->per_source_queue)
            continue;
        if (loop_clock() >= end)
            return false;
        refuse(queue, client, CLIENT_REFUSED_SOURCE);
    }
    return true;
}

/* Whether the new clients can be watched later.  If one of them gives up meanwhile, it must not
 * take the place of another. */
static bool may_be_watched_later(const struct queue *queue)
{
    uint32_t queued = clients_count(&queue->clients, CLIENT_QUEUED);
    uint32_t unwatched = queued - queue->watched_count;

    return queued > 0 && unwatched <= UNWATCHED_AT_MOST && queued < queue->maximum &&
           !queue->options->refuse && queue->options->per_source_queue == UNLIMITED &&
           queue->loop->now < queue->watch_at;
}

static struct client *first_unwatched(const struct queue *queue)
{
    struct client *first = NULL;

    for (struct client *client = clients_newest(&queue->clients);
         client != NULL && clients_ticket(client) > queue->watched;
         client = clients_before(&queue->clients, client))
        first = client;
    return first;
}

static void watch_new(struct queue *queue)
{
    const struct clients *clients = &queue->clients;
    unsigned count = 0;

    if (clients_count(clients, CLIENT_QUEUED) > 0 && queue->watch_at == 0 &&
        queue->watched < clients->books->last_ticket)
        queue->watch_at = queue->loop->now + WATCHED_AFTER;
    if (may_be_watched_later(queue))
        return;
    queue->watch_at = 0;
    for (struct client *client = first_unwatched(queue); client != NULL;
         client = clients_next(clients, client)) {
        if (count++ == WATCHED_AT_ONCE) {
            queue->watch_at = queue->loop->now;
            return;
        }
        queue_watch(queue, client);
        queue->watched = clients_ticket(client);
    }
    queue->watched = clients->books->last_ticket;
}

/* Returns how many clients may wait while handlers have connections that we keep, too: newcomers
 * that are refused need descriptors. */
static uint32_t most_waiting(const struct queue *queue, uint32_t about_to_start)
{
    uint32_t kept = queue->clients.kept;
    uint32_t most;

    if (options_keep_connections(queue->options))
        kept += clients_count(&queue->clients, CLIENT_STARTING);
    most = at_most(queue->maximum, kept < queue->possible ? queue->possible - kept : 0);
    return about_to_start > UINT32_MAX - most ? UINT32_MAX : most + about_to_start;
}

static bool is_clearing(const struct queue *queue)
{
    return queue->clearing.deadline != 0;
}

/* 0: no client needs a judgement or a watch. */
static uint64_t next_judgement(const struct queue *queue)
{
    uint64_t crowded =
        queue->clients.books->judged < queue->clients.books->last_ticket ? queue->crowded_until : 0;

    return crowded == 0 || (queue->watch_at != 0 && queue->watch_at < crowded) ? queue->watch_at
                                                                               : crowded;
}

/* 0: no client has a deadline. */
static uint64_t next_expiry(const struct queue *queue)
{
    const struct client *oldest;

    if (queue->options->queue_timeout == 0)
        return 0;
    oldest = clients_first(&queue->clients, CLIENT_QUEUED);
    return oldest == NULL ? 0 : oldest->accepted + queue->options->queue_timeout;
}

/* Refuses new clients that are too many.  Returns false if others are left for the next round. */
static bool refuse_new(struct queue *queue, uint32_t about_to_start)
{
    if (about_to_start == 0 && queue->options->per_source_queue != UNLIMITED &&
        !refuse_excess_of_sources(queue, loop_clock() + LOOP_SLICE))
        return false;
    if (queue->options->refuse &&
        !refuse_excess(queue, most_waiting(queue, about_to_start), loop_clock() + LOOP_SLICE))
        return false;
    if (about_to_start == 0)
        queue->clients.books->judged = queue->clients.books->last_ticket;
    return true;
}

void queue_judge(struct queue *queue, uint32_t about_to_start)
{
    uint32_t more = excused(queue, about_to_start);
    bool judged;

    if (is_clearing(queue)) {
        queue_hold(queue);
        return;
    }
    /* Clients that have given up must not take the places of others. */
    judged = !has_unheard(queue) && refuse_new(queue, more);
    watch_new(queue);
    queue->judgement.deadline = judged ? next_judgement(queue) : queue->loop->now;
    queue->expiry.deadline = next_expiry(queue);
}

void queue_expire(struct queue *queue)
{
    enum { AT_ONCE = 64 };
    uint64_t deadline = is_clearing(queue) ? 0 : next_expiry(queue);

    for (int i = 0; i < AT_ONCE && deadline != 0 && deadline <= queue->loop->now; i++) {
        refuse(queue, clients_first(&queue->clients, CLIENT_QUEUED), CLIENT_REFUSED_TIMEOUT);
        deadline = next_expiry(queue);
    }
    queue->expiry.deadline = deadline;
}

void queue_hold(struct queue *queue)
{
    queue->judgement.deadline = 0;
    queue->expiry.deadline = 0;
}

static void clear_some(void *context)
{
    struct queue *queue = context;
    const uint64_t end = loop_clock() + LOOP_SLICE;
    struct client *client;

    while ((client = clients_first(&queue->clients, CLIENT_QUEUED)) != NULL) {
        if (loop_clock() >= end) {
            queue->clearing.deadline = queue->loop->now;
            return;
        }
        queue_unwatch(queue, client);
        clients_end(&queue->clients, client, queue->cleared_as);
        queue->cleared++;
    }
    queue->events.cleared(queue->events.context, queue->cleared, queue->cleared_as);
}

void queue_clear(struct queue *queue, enum client_end end)
{
    if (is_clearing(queue) || clients_count(&queue->clients, CLIENT_QUEUED) == 0)
        return;
    queue->cleared_as = end;
    queue->cleared = 0;
    queue->clearing.deadline = queue->loop->now;
}
