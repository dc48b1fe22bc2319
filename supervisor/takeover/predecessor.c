#include "supervisor/takeover/predecessor.h"

#include "dispatcher/shared/log.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

enum { TAKE_WITHIN = 60 * LOOP_SECOND, SAY_AGAIN = 100 * LOOP_MILLISECOND };

/* ---- taking ---- */

static bool is_sound(const struct clients *clients, const struct inheritance_client *each)
{
    const struct client *newest = clients_newest(clients);

    return each->ticket != 0 && (newest == NULL || each->ticket > clients_ticket(newest)) &&
           (each->remote.family == AF_INET || each->remote.family == AF_INET6 ||
            each->remote.family == AF_UNIX);
}

/* A client from the future would wait for ever. */
static uint64_t past(uint64_t time, uint64_t now)
{
    return time < now ? time : now;
}

/* Enters the clients of a message.  If that fails, the process ends and closes their descriptors.
 * Returns 0, or -1 with errno. */
static int enter(struct clients *clients, const struct inheritance_clients *message,
                 const int *descriptors)
{
    bool running = message->header.type == INHERITANCE_RUNNING;
    uint64_t now = loop_clock();

    for (uint32_t i = 0; i < message->header.count; i++) {
        const struct inheritance_client *each = &message->list[i];
        struct client *client;

        errno = EPROTO;
        if (!is_sound(clients, each) || clients_reserve(clients) != 0)
            return -1;
        client = clients_inherit(clients, each->ticket, running ? -1 : descriptors[i],
                                 &each->remote, past(each->accepted, now));
        if (!running)
            continue;
        client->started = past(each->started, now);
        client->dispatcher = CLIENT_FOREIGN;
        clients_move(clients, client, CLIENT_RUNNING);
    }
    return 0;
}

/* The clients are complete. */
static int conclude(struct predecessor *predecessor, const struct inheritance_all *message)
{
    struct queue *queue = predecessor->queue;
    const struct client *newest = clients_newest(&queue->clients);

    errno = EPROTO;
    if (message->judged > message->last_ticket ||
        (newest != NULL && clients_ticket(newest) > message->last_ticket))
        return -1;
    queue->clients.last_ticket = message->last_ticket;
    queue->judged = message->judged;
    predecessor->paused = message->paused != 0;
    return 0;
}

/* Returns 0, or -1 with errno. */
static int take_clients(struct predecessor *predecessor, struct takeover *takeover)
{
    const unsigned permitted =
        INHERITANCE_SET(INHERITANCE_RUNNING) | INHERITANCE_SET(INHERITANCE_QUEUED) |
        INHERITANCE_SET(INHERITANCE_ALL) | INHERITANCE_SET(INHERITANCE_ABORTED);
    const uint64_t deadline = loop_clock() + TAKE_WITHIN;
    union inheritance message;
    int descriptors[INHERITANCE_BATCH];
    enum inheritance_type type;

    for (;;) {
        type = takeover_receive(takeover, permitted, &message, descriptors, deadline);
        if (type == INHERITANCE_ALL)
            return conclude(predecessor, &message.all);
        if (type == 0 || enter(&predecessor->queue->clients, &message.clients, descriptors) != 0 ||
            inheritance_say(takeover->socket, INHERITANCE_TAKEN) != 0)
            return -1;
    }
}

/* ECONNRESET comes once, if the old process had not read all. */
static bool is_dead(int error)
{
    return error == EPIPE || error == ECONNRESET;
}

/* From READY on the old process decides, however long that takes.  Returns 0 once no other process
 * serves, or -1 with errno. */
static int be_ready(struct takeover *takeover)
{
    const unsigned permitted =
        INHERITANCE_SET(INHERITANCE_COMMITTED) | INHERITANCE_SET(INHERITANCE_ABORTED);
    union inheritance message;
    int none[INHERITANCE_BATCH];

    errno = ECANCELED;
    if (takeover_is_to_end())
        return -1;
    inheritance_begin(&message, INHERITANCE_READY);
    message.ready.process = getpid();
    message.ready.used = takeover_used(takeover);
    if (inheritance_send(takeover->socket, &message, NULL) != 0 && !is_dead(errno))
        return -1;
    return (takeover_receive(takeover, permitted, &message, none, TAKEOVER_FOR_EVER) != 0 &&
            inheritance_say(takeover->socket, INHERITANCE_SERVING) == 0) ||
                   is_dead(errno)
               ? 0
               : -1;
}

int predecessor_take(struct predecessor *predecessor, struct takeover *takeover)
{
    const struct clients *clients = &predecessor->queue->clients;

    predecessor->source.descriptor = takeover->socket;
    if (loop_watch(predecessor->loop, &predecessor->source) != 0 ||
        inheritance_say(takeover->socket, INHERITANCE_GO) != 0 ||
        take_clients(predecessor, takeover) != 0 || be_ready(takeover) != 0) {
        log_error("--takeover: cannot take over from process %d: %m", takeover->process);
        (void)close(takeover->socket); /* the old process need not wait for the rest of our end */
        return -1;
    }
    takeover_close_places(takeover);
    log_info("took over from process %d; waiting clients: %u; handlers still to end there: %u",
             takeover->process, clients_count(clients, CLIENT_QUEUED),
             clients_count(clients, CLIENT_RUNNING));
    return 0;
}

/* ---- the handlers of the old process ---- */

/* Ends the client whose handler has ended, as the message says; without a message, ends all clients
 * of the old process.  Returns how many. */
static uint32_t end_clients(struct predecessor *predecessor,
                            const struct inheritance_ended *message)
{
    const struct clients *clients = &predecessor->queue->clients;
    const int *status = message != NULL && message->known != 0 ? &message->status : NULL;
    struct client *next;
    uint32_t count = 0;

    for (struct client *client = clients_first(clients, CLIENT_RUNNING);
         client != NULL && (message == NULL || count == 0); client = next) {
        next = clients_next(clients, client);
        if (client->dispatcher != CLIENT_FOREIGN || client->owed ||
            (message != NULL && clients_ticket(client) != message->ticket))
            continue;
        predecessor->events.ended(predecessor->events.context, client, status);
        count++;
    }
    return count;
}

/* ---- the link ---- */

/* Until the service manager knows this process as the main one, it may ignore our messages. */
static void step_forward(struct predecessor *predecessor)
{
    if (!predecessor->left)
        predecessor->events.step_forward(predecessor->events.context);
    predecessor->left = true;
}

static void close_link(struct predecessor *predecessor)
{
    uint32_t lost;

    loop_ignore(predecessor->loop, &predecessor->source);
    (void)close(predecessor->source.descriptor); /* there is nothing left to send */
    predecessor->source.descriptor = -1;
    predecessor->again.deadline = 0;
    step_forward(predecessor);
    lost = end_clients(predecessor, NULL);
    if (lost > 0)
        log_warning("the old process died; handlers whose end remains unknown: %u", lost);
}

static void on_message(void *context)
{
    const unsigned permitted =
        INHERITANCE_SET(INHERITANCE_ENDED) | INHERITANCE_SET(INHERITANCE_LEFT);
    struct predecessor *predecessor = context;
    union inheritance message;
    int none[INHERITANCE_BATCH];
    enum inheritance_result result;

    while ((result = inheritance_receive(predecessor->source.descriptor, permitted, &message,
                                         none)) == INHERITANCE_MESSAGE) {
        if (message.header.type == INHERITANCE_LEFT)
            step_forward(predecessor);
        else if (end_clients(predecessor, &message.ended) == 0)
            log_warning("the old process reported the end of ticket %" PRIu64
                        ", which does not run there: ignoring it",
                        message.ended.ticket);
    }
    if (result == INHERITANCE_MALFORMED)
        log_error("the old process violated the protocol: closing the link to it");
    if (result != INHERITANCE_EMPTY)
        close_link(predecessor);
}

/* If the link takes nothing now, END is sent again.  If the old process is dead, an event will say
 * so. */
static void say_end(void *context)
{
    struct predecessor *predecessor = context;
    union inheritance message;

    inheritance_begin(&message, INHERITANCE_END);
    message.end.signal = predecessor->owed;
    predecessor->again.deadline = 0; /* of an earlier signal */
    if (inheritance_send(predecessor->source.descriptor, &message, NULL) != 0 && !is_dead(errno))
        predecessor->again.deadline = predecessor->loop->now + SAY_AGAIN;
}

void predecessor_end(struct predecessor *predecessor, int signal_number)
{
    if (predecessor->source.descriptor < 0)
        return;
    predecessor->owed = signal_number; /* a later signal is the stronger one */
    say_end(predecessor);
}

void predecessor_settled(struct predecessor *predecessor)
{
    if (inheritance_say(predecessor->source.descriptor, INHERITANCE_SETTLED) != 0 &&
        !is_dead(errno))
        log_warning("cannot tell the old process to leave: %m; it stays as long as this process");
}

void predecessor_open(struct predecessor *predecessor, struct loop *loop, struct queue *queue,
                      const struct takeover_events *events)
{
    predecessor->loop = loop;
    predecessor->queue = queue;
    predecessor->events = *events;
    predecessor->source =
        (struct loop_source){.descriptor = -1, .ready = on_message, .context = predecessor};
    predecessor->again = (struct loop_timer){.expired = say_end, .context = predecessor};
    loop_add_timer(loop, &predecessor->again);
}
