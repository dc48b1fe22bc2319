#include "supervisor/takeover/takeover.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/address.h"
#include "supervisor/takeover/introduction.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ANSWER_WITHIN = 10 * LOOP_SECOND, /* the link and the sockets */
    TAKE_WITHIN = 60 * LOOP_SECOND,   /* from GO to ALL */
    SAY_AGAIN = 100 * LOOP_MILLISECOND,
    MESSAGES_AT_ONCE = 64 /* before other events get their turn */
};

/* The deadline for the message that decides which process serves.  No signal ends this wait. */
#define FOR_EVER UINT64_MAX

/* ---- messages before this process serves ---- */

/* Before takeover_finish() a signal ends this process by itself. */
static bool is_to_end(const struct takeover *takeover)
{
    return takeover->events.is_to_end != NULL &&
           takeover->events.is_to_end(takeover->events.context);
}

/* Waits for a message, but only until it is time to look for signals again.  Returns 0, or -1 with
 * errno. */
static int await(const struct takeover *takeover, uint64_t deadline)
{
    enum { LOOK_EVERY = 100 };
    struct pollfd event = {.fd = takeover->source.descriptor, .events = POLLIN};
    bool for_ever = deadline == FOR_EVER;

    errno = ETIMEDOUT;
    if (loop_clock() >= deadline)
        return -1;
    errno = ECANCELED;
    if (!for_ever && is_to_end(takeover))
        return -1;
    return poll(&event, 1, for_ever ? -1 : LOOK_EVERY) < 0 && errno != EINTR ? -1 : 0;
}

/* Waits for a message until `deadline` (of loop_clock()), or until a signal ends this process.
 * ABORTED is always permitted.  Returns the type, or 0 with errno.  ECONNRESET: the old process is
 * gone.  ECANCELED: it sent ABORTED, or this process must end. */
static enum inheritance_type receive(const struct takeover *takeover, unsigned permitted,
                                     union inheritance *message, int descriptors[INHERITANCE_BATCH],
                                     uint64_t deadline)
{
    enum inheritance_type type;

    permitted |= INHERITANCE_SET(INHERITANCE_ABORTED);
    while ((type = inheritance_receive(takeover->source.descriptor, permitted, message,
                                       descriptors)) == 0 &&
           errno == EAGAIN)
        if (await(takeover, deadline) != 0)
            return 0;
    errno = type == INHERITANCE_ABORTED ? ECANCELED : errno;
    return type == INHERITANCE_ABORTED ? 0 : type;
}

/* ---- the sockets ---- */

static int receive_listener(struct takeover *takeover, uint32_t number, uint64_t deadline)
{
    union inheritance message;
    int descriptors[INHERITANCE_BATCH];
    struct inheritance_listener *listener = &takeover->received[number];

    if (receive(takeover, INHERITANCE_SET(INHERITANCE_LISTENER), &message, descriptors, deadline) ==
        0)
        return -1;
    *listener = message.listener;
    errno = EPROTO;
    if (listener->place[sizeof(listener->place) - 1] != '\0' ||
        listener->name[sizeof(listener->name) - 1] != '\0' || listener->kind > INHERITANCE_METRICS)
        return -1;
    return listeners_add(&takeover->listeners,
                         (struct listener){.descriptor = descriptors[0],
                                           .name = *listener->name == '\0' ? NULL : listener->name,
                                           .inherited = true,
                                           .passed = listener->passed != 0,
                                           .taken = listener->kind != INHERITANCE_SERVICE});
}

static int receive_listeners(struct takeover *takeover)
{
    uint64_t deadline = loop_clock() + ANSWER_WITHIN;
    union inheritance message;
    int none[INHERITANCE_BATCH];

    if (receive(takeover, INHERITANCE_SET(INHERITANCE_HELLO), &message, none, deadline) == 0)
        return -1;
    takeover->process = message.hello.process;
    errno = EPROTO;
    if (message.hello.listeners > INHERITANCE_LISTENERS)
        return -1;
    for (uint32_t number = 0; number < message.hello.listeners; number++)
        if (receive_listener(takeover, number, deadline) != 0)
            return -1;
    return 0;
}

int takeover_open(struct takeover *takeover, const char *path)
{
    takeover->source.descriptor = introduction_make(path);
    if (takeover->source.descriptor < 0)
        return -1;
    if (receive_listeners(takeover) == 0)
        return 0;
    log_error("--takeover: %s: cannot receive the sockets of the daemon there: %m", path);
    return -1;
}

int takeover_take(struct takeover *takeover, enum inheritance_kind kind, const char *place)
{
    for (size_t i = 0; i < takeover->listeners.count; i++) {
        int *descriptor = &takeover->listeners.list[i].descriptor;
        int taken = *descriptor;

        if (taken < 0 || takeover->received[i].kind != kind ||
            strcmp(takeover->received[i].place, place) != 0)
            continue;
        *descriptor = -1;
        return taken;
    }
    return -1;
}

int takeover_retire(const struct takeover *takeover, struct listeners *listeners)
{
    for (size_t i = 0; i < takeover->listeners.count; i++) {
        struct listener listener = takeover->listeners.list[i];

        listener.retired = true;
        if (!listener.taken && listeners_add(listeners, listener) != 0) {
            log_error("--takeover: cannot keep a listener of the old process: %m");
            return -1;
        }
    }
    return 0;
}

/* Returns whether this process left the socket of an operator to the old process. */
static bool is_left(const struct takeover *takeover, size_t number)
{
    return takeover->received[number].kind != INHERITANCE_SERVICE &&
           takeover->listeners.list[number].descriptor >= 0;
}

/* Returns the sockets that this process keeps, as READY tells them. */
static uint64_t kept(const struct takeover *takeover)
{
    uint64_t used = 0;

    for (size_t i = 0; i < takeover->listeners.count; i++)
        if (takeover->listeners.list[i].taken && !is_left(takeover, i))
            used |= UINT64_C(1) << i;
    return used;
}

/* Once the old process does not serve, an operator would wait there without end. */
static void close_left(struct takeover *takeover)
{
    for (size_t i = 0; i < takeover->listeners.count; i++)
        if (is_left(takeover, i))
            listener_close(&takeover->listeners.list[i]);
}

void takeover_forsake(struct takeover *takeover)
{
    close_left(takeover);
    if (takeover->source.descriptor > 0)
        (void)close(takeover->source.descriptor); /* the supervisor has the link */
}

/* ---- the clients ---- */

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
        struct endpoint remote = each->remote;
        struct client *client;

        errno = EPROTO;
        if (!is_sound(clients, each) || clients_reserve(clients) != 0)
            return -1;
        if (!running && remote.family == AF_UNIX)
            remote = address_of_peer(descriptors[i]);
        client = clients_inherit(clients, each->ticket, running ? -1 : descriptors[i], &remote,
                                 past(each->accepted, now));
        if (!running)
            continue;
        client->started = past(each->started, now);
        client->dispatcher = CLIENT_FOREIGN;
        clients_move(clients, client, CLIENT_RUNNING);
    }
    return 0;
}

/* Returns 0, or -1 with errno. */
static int take_setting(struct inheritance_settings *settings,
                        const struct inheritance_limit *limit)
{
    errno = EPROTO;
    if (settings->count >= INHERITANCE_SETTINGS || *limit->name == '\0' ||
        limit->name[sizeof(limit->name) - 1] != '\0' ||
        limit->value[sizeof(limit->value) - 1] != '\0')
        return -1;
    inheritance_note(settings, limit->name, limit->value);
    return 0;
}

/* The clients are complete. */
static int conclude(struct takeover *takeover, const struct inheritance_all *message)
{
    struct queue *queue = takeover->queue;
    const struct client *newest = clients_newest(&queue->clients);

    errno = EPROTO;
    if (message->judged > message->last_ticket ||
        (newest != NULL && clients_ticket(newest) > message->last_ticket))
        return -1;
    queue->clients.books->last_ticket = message->last_ticket;
    queue->clients.books->judged = message->judged;
    takeover->paused = message->paused != 0;
    return 0;
}

/* Returns 0, or -1 with errno. */
static int take_clients(struct takeover *takeover)
{
    const unsigned permitted =
        INHERITANCE_SET(INHERITANCE_RUNNING) | INHERITANCE_SET(INHERITANCE_QUEUED) |
        INHERITANCE_SET(INHERITANCE_SETTING) | INHERITANCE_SET(INHERITANCE_ALL);
    const uint64_t deadline = loop_clock() + TAKE_WITHIN;
    union inheritance message;
    int descriptors[INHERITANCE_BATCH];
    enum inheritance_type type;

    for (;;) {
        type = receive(takeover, permitted, &message, descriptors, deadline);
        if (type == INHERITANCE_ALL)
            return conclude(takeover, &message.all);
        if (type == INHERITANCE_SETTING) {
            if (take_setting(&takeover->settings, &message.setting.limit) != 0)
                return -1;
            continue;
        }
        if (type == 0 || enter(&takeover->queue->clients, &message.clients, descriptors) != 0 ||
            inheritance_say(takeover->source.descriptor, INHERITANCE_TAKEN) != 0)
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
static int be_ready(const struct takeover *takeover)
{
    const unsigned permitted = INHERITANCE_SET(INHERITANCE_COMMITTED);
    int link = takeover->source.descriptor;
    union inheritance message = {
        .ready = {.process = takeover->events.process, .used = kept(takeover)}};
    int none[INHERITANCE_BATCH];

    if (is_to_end(takeover)) {
        errno = ECANCELED;
        return -1;
    }
    if (inheritance_send(link, INHERITANCE_READY, &message, NULL) != 0 && !is_dead(errno))
        return -1;
    if (receive(takeover, permitted, &message, none, FOR_EVER) == 0 && !is_dead(errno))
        return -1;
    takeover->events.serves(takeover->events.context);
    return inheritance_say(link, INHERITANCE_SERVING) == 0 || is_dead(errno) ? 0 : -1;
}

/* ---- the handlers of the old process ---- */

/* Ends the client whose handler has ended, as the message says; without a message, ends all clients
 * of the old process.  Returns how many. */
static uint32_t end_clients(struct takeover *takeover, const struct inheritance_ended *message)
{
    const struct clients *clients = &takeover->queue->clients;
    const int *status = message != NULL && message->known != 0 ? &message->status : NULL;
    struct client *next;
    uint32_t count = 0;

    for (struct client *client = clients_first(clients, CLIENT_RUNNING);
         client != NULL && (message == NULL || count == 0); client = next) {
        next = clients_next(clients, client);
        if (client->dispatcher != CLIENT_FOREIGN || client->owed ||
            (message != NULL && clients_ticket(client) != message->ticket))
            continue;
        takeover->events.ended(takeover->events.context, client, status);
        count++;
    }
    return count;
}

/* ---- the link ---- */

/* Ends what only the old process could say more about. */
static void lose_old_process(struct takeover *takeover)
{
    uint32_t lost = end_clients(takeover, NULL);

    takeover->source.descriptor = -1;
    takeover->left = true;
    if (lost > 0)
        log_warning("the old process died; handlers whose end remains unknown: %u", lost);
}

/* In this order: another supervisor must not find a number that is free. */
static void close_link(struct takeover *takeover)
{
    loop_ignore(takeover->loop, &takeover->source);
    takeover->events.closed(takeover->events.context);
    (void)close(takeover->source.descriptor); /* there is nothing left to send */
    takeover->again.deadline = 0;
    lose_old_process(takeover);
}

static void say_end(void *context);

void takeover_serving(const struct takeover *takeover)
{
    if (takeover->source.descriptor >= 0)
        (void)inheritance_say(takeover->source.descriptor, INHERITANCE_SERVING);
}

/* The old daemon has another supervisor, which may have missed something. */
static void repeat(struct takeover *takeover)
{
    takeover_serving(takeover);
    takeover_settled(takeover);
    if (takeover->owed != 0)
        say_end(takeover);
}

static void on_message(void *context)
{
    const unsigned permitted = INHERITANCE_SET(INHERITANCE_ENDED) |
                               INHERITANCE_SET(INHERITANCE_LEFT) |
                               INHERITANCE_SET(INHERITANCE_COMMITTED);
    struct takeover *takeover = context;
    union inheritance message;
    int none[INHERITANCE_BATCH];
    enum inheritance_type type = INHERITANCE_ENDED;

    for (unsigned i = 0; i < MESSAGES_AT_ONCE; i++) {
        type = inheritance_receive(takeover->source.descriptor, permitted, &message, none);
        if (type == 0)
            break;
        if (type == INHERITANCE_LEFT)
            takeover->left = true;
        else if (type == INHERITANCE_COMMITTED)
            repeat(takeover);
        else if (end_clients(takeover, &message.ended) == 0)
            log_warning("the old process reported the end of ticket %" PRIu64
                        ", which does not run there: ignoring it",
                        message.ended.ticket);
    }
    if (type != 0 || errno == EAGAIN)
        return;
    if (errno != ECONNRESET)
        log_error("the old process violated the protocol: closing the link to it");
    close_link(takeover);
}

/* If the link takes nothing now, END is sent again.  If the old process is dead, an event will say
 * so. */
static void say_end(void *context)
{
    struct takeover *takeover = context;
    union inheritance message = {.end = {.signal = takeover->owed}};

    takeover->again.deadline = 0; /* of an earlier signal */
    if (inheritance_send(takeover->source.descriptor, INHERITANCE_END, &message, NULL) != 0 &&
        !is_dead(errno))
        takeover->again.deadline = takeover->loop->now + SAY_AGAIN;
}

void takeover_end(struct takeover *takeover, int signal_number)
{
    if (takeover->source.descriptor < 0)
        return;
    takeover->owed = signal_number; /* a later signal is the stronger one */
    say_end(takeover);
}

void takeover_settled(struct takeover *takeover)
{
    if (takeover->source.descriptor >= 0 &&
        inheritance_say(takeover->source.descriptor, INHERITANCE_SETTLED) != 0 && !is_dead(errno))
        log_warning("cannot tell the old process to leave: %m; it stays as long as this process");
}

/* ---- from the old process to this one ---- */

static void open_link(struct takeover *takeover, struct loop *loop, struct queue *queue,
                      const struct takeover_events *events)
{
    takeover->loop = loop;
    takeover->queue = queue;
    takeover->events = *events;
    takeover->source.ready = on_message;
    takeover->source.context = takeover;
    takeover->again = (struct loop_timer){.expired = say_end, .context = takeover};
    loop_add_timer(loop, &takeover->again);
}

void takeover_resume(struct takeover *takeover, struct loop *loop, struct queue *queue,
                     const struct takeover_events *events, bool closed)
{
    open_link(takeover, loop, queue, events);
    takeover->left = false;
    if (closed)
        lose_old_process(takeover);
    else if (loop_watch(loop, &takeover->source) != 0) {
        log_error("cannot hear the old process: %m");
        close_link(takeover);
    }
}

int takeover_finish(struct takeover *takeover, struct loop *loop, struct queue *queue,
                    const struct takeover_events *events)
{
    int link = takeover->source.descriptor;

    open_link(takeover, loop, queue, events);
    if (loop_watch(loop, &takeover->source) != 0 || inheritance_say(link, INHERITANCE_GO) != 0 ||
        take_clients(takeover) != 0 || be_ready(takeover) != 0) {
        if (errno == ECANCELED)
            log_error(
                "--takeover: aborted by a signal, or by process %d, which goes on serving and "
                "has logged why",
                takeover->process);
        else
            log_error("--takeover: cannot take over from process %d: %m", takeover->process);
        (void)close(link); /* the old process need not wait for the rest of our end */
        return -1;
    }
    close_left(takeover);
    log_write(LOG_LEVEL_ANSWER,
              "took over from process %d; waiting clients: %u; handlers still to end there: %u",
              takeover->process, clients_count(&queue->clients, CLIENT_QUEUED),
              clients_count(&queue->clients, CLIENT_RUNNING));
    return 0;
}
