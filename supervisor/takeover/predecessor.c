#include "supervisor/takeover/predecessor.h"

#include "dispatcher/shared/log.h"
#include "supervisor/listen/accept.h"
#include "supervisor/running/ending.h"
#include "supervisor/server/manager.h"
#include "supervisor/server/state.h"

#include <errno.h>
#include <sys/socket.h>
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

/* Another clock would have them wait for ever. */
static uint64_t past(uint64_t time, uint64_t now)
{
    return time < now ? time : now;
}

/* Enters those of a message.  Their descriptors are closed with the process if that fails. */
static int enter(struct server *server, const struct inheritance_clients *message,
                 const int *descriptors)
{
    struct clients *clients = &server->queue.clients;
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

/* That was everybody. */
static int conclude(struct server *server, const struct inheritance_all *message)
{
    const struct client *newest = clients_newest(&server->queue.clients);

    errno = EPROTO;
    if (message->judged > message->last_ticket ||
        (newest != NULL && clients_ticket(newest) > message->last_ticket))
        return -1;
    server->queue.clients.last_ticket = message->last_ticket;
    server->queue.judged = message->judged; /* for these, there was room in the queue */
    server->starting.paused = message->paused != 0;
    return 0;
}

/* Returns 0, or -1 with errno. */
static int take_clients(struct server *server, struct takeover *takeover, uint64_t deadline)
{
    const unsigned permitted =
        INHERITANCE_SET(INHERITANCE_RUNNING) | INHERITANCE_SET(INHERITANCE_QUEUED) |
        INHERITANCE_SET(INHERITANCE_ALL) | INHERITANCE_SET(INHERITANCE_ABORTED);

    for (;;) {
        union inheritance message;
        union inheritance taken;
        int descriptors[INHERITANCE_BATCH];

        switch (takeover_receive(takeover, permitted, &message, descriptors, deadline)) {
        case INHERITANCE_RUNNING:
        case INHERITANCE_QUEUED:
            inheritance_begin(&taken, INHERITANCE_TAKEN);
            if (enter(server, &message.clients, descriptors) != 0 ||
                inheritance_send(takeover->socket, &taken, NULL) != 0)
                return -1;
            break;
        case INHERITANCE_ALL:
            return conclude(server, &message.all);
        default:
            return -1;
        }
    }
}

static bool is_dead(int error)
{
    return error == EPIPE || error == ECONNRESET; /* which is told once, if it had not read all */
}

/* From READY on it is the other one that decides, however long that takes. */
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
    if (takeover_receive(takeover, permitted, &message, none, TAKEOVER_FOR_EVER) == 0)
        return is_dead(errno) ? 0 : -1; /* then nobody else serves */
    inheritance_begin(&message, INHERITANCE_SERVING);
    return inheritance_send(takeover->socket, &message, NULL) == 0 || is_dead(errno) ? 0 : -1;
}

/* ---- those who run there ---- */

static void forget_all(struct server *server)
{
    struct client *next;
    uint32_t unknown = 0;

    for (struct client *client = clients_first(&server->queue.clients, CLIENT_RUNNING);
         client != NULL; client = next) {
        next = clients_next(&server->queue.clients, client);
        if (client->dispatcher != CLIENT_FOREIGN || client->owed)
            continue;
        unknown++;
        ending_foreign(&server->running.ending, client, NULL);
    }
    if (unknown > 0)
        log_warning("the process before this one has died, and with it is lost what becomes of its "
                    "%u handlers",
                    unknown);
}

/* Until a service manager knows that this is the main process, it may not listen to it. */
static void step_forward(struct server *server)
{
    if (!server->predecessor.left)
        manager_begin(server);
    server->predecessor.left = true;
}

static void close_link(struct server *server)
{
    struct loop_source *source = &server->predecessor.source;

    loop_ignore(&server->loop, source);
    (void)close(source->descriptor); /* nothing is to be said any more */
    source->descriptor = -1;
    server->predecessor.again.deadline = 0;
    step_forward(server);
    forget_all(server);
}

static void on_ended(struct server *server, const struct inheritance_ended *message)
{
    for (struct client *client = clients_first(&server->queue.clients, CLIENT_RUNNING);
         client != NULL; client = clients_next(&server->queue.clients, client))
        if (client->dispatcher == CLIENT_FOREIGN && !client->owed &&
            clients_ticket(client) == message->ticket) {
            ending_foreign(&server->running.ending, client,
                           message->known != 0 ? &message->status : NULL);
            return;
        }
    log_warning("the process before this one says that ticket %llu has ended, which it had not",
                (unsigned long long)message->ticket);
}

static void on_message(void *context)
{
    struct server *server = context;
    struct loop_source *source = &server->predecessor.source;
    const unsigned permitted =
        INHERITANCE_SET(INHERITANCE_ENDED) | INHERITANCE_SET(INHERITANCE_LEFT);
    union inheritance message;
    int none[INHERITANCE_BATCH];

    for (;;) {
        switch (inheritance_receive(source->descriptor, permitted, &message, none)) {
        case INHERITANCE_MESSAGE:
            if (message.header.type == INHERITANCE_LEFT)
                step_forward(server);
            else
                on_ended(server, &message.ended);
            break;
        case INHERITANCE_EMPTY:
            return;
        case INHERITANCE_MALFORMED:
            log_error("the process before this one says what it may not: not listening any more");
            close_link(server);
            return;
        case INHERITANCE_CLOSED:
            close_link(server);
            return;
        }
    }
}

/* The kernel may be short of memory just now; or it is dead, and that will be told as an event. */
static void say_end(void *context)
{
    struct server *server = context;
    struct predecessor *predecessor = &server->predecessor;
    union inheritance message;

    inheritance_begin(&message, INHERITANCE_END);
    message.end.signal = predecessor->owed;
    predecessor->again.deadline = 0; /* of another signal, which this one makes needless */
    if (inheritance_send(predecessor->source.descriptor, &message, NULL) == 0 || is_dead(errno))
        return;
    predecessor->again.deadline = server->loop.now + SAY_AGAIN;
}

void predecessor_end(struct server *server, int signal_number)
{
    if (server->predecessor.source.descriptor <= 0)
        return;
    server->predecessor.owed = signal_number; /* SIGKILL is the last one */
    say_end(server);
}

void predecessor_settled(struct server *server)
{
    union inheritance message;

    inheritance_begin(&message, INHERITANCE_SETTLED);
    if (inheritance_send(server->predecessor.source.descriptor, &message, NULL) != 0 &&
        !is_dead(errno))
        log_warning("cannot let the process before this one leave: %m");
}

static int take(struct server *server, struct takeover *takeover)
{
    uint64_t deadline = loop_clock() + TAKE_WITHIN;
    union inheritance message;

    inheritance_begin(&message, INHERITANCE_GO);
    return loop_watch(&server->loop, &server->predecessor.source) == 0 &&
                   inheritance_send(takeover->socket, &message, NULL) == 0 &&
                   take_clients(server, takeover, deadline) == 0
               ? be_ready(takeover)
               : -1;
}

int predecessor_take(struct server *server, struct takeover *takeover)
{
    server->predecessor.source = (struct loop_source){
        .descriptor = takeover->socket, .ready = on_message, .context = server};
    server->predecessor.again = (struct loop_timer){.expired = say_end, .context = server};
    loop_add_timer(&server->loop, &server->predecessor.again);
    if (take(server, takeover) != 0) {
        log_error("--takeover: the place of process %d was not taken: %m", takeover->process);
        (void)close(takeover->socket); /* so that it need not wait for the rest of our end */
        return -1;
    }
    accept_retire(&server->acceptor);
    takeover_close_places(takeover);
    server->starting.next.deadline =
        loop_clock(); /* who waits may be started, and no event will say so */
    log_info("took the place of process %d, with %u waiting clients and %u whose handlers end "
             "there",
             takeover->process, clients_count(&server->queue.clients, CLIENT_QUEUED),
             clients_count(&server->queue.clients, CLIENT_RUNNING));
    return 0;
}
