#include "supervisor/running/running.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/release.h"
#include "dispatcher/shared/wire.h"
#include "supervisor/base/address.h"
#include "supervisor/base/stores.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

static_assert((int)POOL_ORPHANED == (int)CLIENT_ADOPTED, "both are one index of a dispatcher");

int running_open(struct running *running, struct loop *loop, const struct options *options,
                 struct queue *queue, struct pool *pool, struct strays *strays,
                 const struct running_events *events)
{
    *running = (struct running){
        .loop = loop,
        .queue = queue,
        .clients = &queue->clients,
        .pool = pool,
        .strays = strays,
        .events = *events,
        .starting = BACKOFF,
        .end_leftovers = options->end_leftovers,
        .owed = {.expired = ending_pursue_all, .context = running},
    };
    timeouts_open(&running->timeouts, options->timeout, options->kill_after);
    loop_add_timer(loop, &running->owed);
    loop_add_timer(loop, &running->expiry);
    return watch_open(&running->watch, loop, options, queue, ending_useless, running);
}

/* ---- starting ---- */

/* Has a waiting client sent with the next pool_flush().  Returns false if no dispatcher has room.
 */
static bool give(struct running *running, struct client *client)
{
    struct clients *clients = running->clients;
    const struct dispatcher *dispatcher;
    union message message;

    clients_deal_with(clients, clients_ticket(client));
    wire_header(&message, MESSAGE_START, client->handle, clients_ticket(client));
    message.start.waited = (uint32_t)((running->loop->now - client->accepted) / LOOP_MILLISECOND);
    message.start.queued = clients_count(clients, CLIENT_QUEUED) - 1;
    message.start.running = clients_active(clients) + 1;
    message.start.remote = client->remote;
    /* It fails for no connected socket.  If it ever does, this client must not hold up the others:
     * its handler is told no local address. */
    (void)address_of_socket(client->descriptor, &message.start.local);
    dispatcher = pool_start(running->pool, &message, client->descriptor);
    if (dispatcher == NULL)
        return false;
    client->dispatcher = (uint8_t)dispatcher->index;
    client->generation = dispatcher->generation;
    client->slot = (uint8_t)message.start.slot;
    client->returned = false;
    client->signalled = 0;
    client->started = running->loop->now; /* it was given away; on_started() corrects it */
    clients_move(clients, client, CLIENT_STARTING);
    queue_unwatch(running->queue, client);
    backoff_attempted(&running->starting, running->loop->now);
    running->events.given(running->events.context);
    return true;
}

/* Returns the client whose turn it is, among clients that are still there. */
static struct client *next_present(struct running *running)
{
    struct client *client = clients_next_turn(running->clients);

    while (client != NULL && !queue_is_present(running->queue, client))
        client = clients_next_turn(running->clients);
    return client;
}

int running_start(struct running *running, uint32_t count)
{
    /* The child that becomes a handler closes the other connections of its packet, and would wait
     * for a file that their clients have sent along: each client has a packet of its own. */
    const bool apart = running->loop->interrupts;
    struct client *client;
    int result = 0;

    if (count > 0 && running->loop->crowded)
        queue_look(running->queue); /* otherwise the loop has reported who has given up */
    for (; count > 0 && result == 0 && (client = next_present(running)) != NULL; count--) {
        if (!give(running, client))
            break;
        if (apart) {
            clients_rest(running->clients);
            result = pool_flush(running->pool);
        }
    }
    clients_rest(running->clients);
    if (result == 0)
        result = pool_flush(running->pool);
    if (result == 0)
        return 0;
    backoff_failed(&running->starting, running->loop->now);
    return -1;
}

void running_make_room(struct running *running)
{
    if (running->no_process && clients_active(running->clients) == 0)
        pool_give_way(running->pool);
    running->no_process = false;
}

/* ---- what the pool reports ---- */

/* Returns the starting client that the pool names, or ends the process: a pool that names no
 * starting client is broken. */
static struct client *starting_client(const struct running *running, uint32_t handle,
                                      uint64_t ticket)
{
    struct client *client = clients_find(running->clients, handle, ticket);

    if (client == NULL || client->state != CLIENT_STARTING)
        log_bug("the pool answers for ticket %" PRIu64 ", which is not starting", ticket);
    return client;
}

/* Closes our descriptor of a connection that a dispatcher has, unless watch.h needs it: the client
 * sees the end once the handler alone has the connection. */
static void give_away(const struct running *running, struct client *client)
{
    if (client->descriptor < 0 || options_keep_connections(running->queue->options))
        return;
    release(client->descriptor);
    client->descriptor = -1;
}

/* Closes the connections of this client that are in no record.  Without a descriptor to compare
 * with, closes one at most: others may come from the same remote end. */
static void close_copies(const struct running *running, struct client *client)
{
    int copy;

    do {
        copy = strays_take(running->strays, client);
        if (copy >= 0)
            release(copy);
    } while (copy >= 0 && client->descriptor >= 0);
    stores_settle();
    client->copied = false;
}

/* The handler was cloned `age` microseconds ago, but not before the client was given away. */
static void on_started(void *context, unsigned dispatcher, uint32_t handle, uint64_t ticket,
                       int32_t process, uint32_t age)
{
    struct running *running = context;
    struct client *client = starting_client(running, handle, ticket);
    uint64_t given = running->loop->now - client->started;

    if (client->copied)
        close_copies(running, client);
    give_away(running, client); /* the supervisor that sent the START may have died before it did */
    client->started = running->loop->now - (age < given ? age : given);
    client->process = process;
    client->signalled = 0; /* as a handler it has its time anew */
    client->dispatcher = (uint8_t)dispatcher;
    clients_move(running->clients, client, CLIENT_RUNNING);
    backoff_succeeded(&running->starting);
    aside_started(&running->aside, running->loop->now);
    running->events.started(running->events.context, client);
    ending_begin(running, client);
    clients_rest(running->clients);
}

/* The packet holds the connection now. */
static void on_delivered(void *context, uint32_t handle, uint64_t ticket)
{
    struct running *running = context;
    struct client *client = starting_client(running, handle, ticket);

    client->started = running->loop->now; /* at the earliest: on_started() */
    give_away(running, client);
    clients_rest(running->clients);
}

/* Takes the connection back, unless we have it still.  Without it, nobody is left to serve. */
static bool has_connection(struct running *running, struct client *client, int descriptor)
{
    if (descriptor < 0)
        descriptor = strays_take(running->strays, client);
    client->returned = true;
    stores_settle();
    if (descriptor >= 0 && client->descriptor < 0 && address_is_from(descriptor, &client->remote))
        client->descriptor = descriptor;
    else if (descriptor >= 0)
        release(descriptor);
    close_copies(running, client);
    if (client->descriptor < 0)
        log_error("ticket %" PRIu64 " was not started, and its connection has not come back",
                  clients_ticket(client));
    return client->descriptor >= 0;
}

/* No handler serves this client yet.  Returns true if it may wait again; otherwise, ends it. */
static bool take_back(struct running *running, struct client *client, int descriptor)
{
    client->reaped = false;
    if (has_connection(running, client, descriptor) && running->signal == 0)
        return true;
    running->events.returned(running->events.context);
    clients_end(running->clients, client, CLIENT_DROPPED);
    return false;
}

static void wait_again(struct running *running, struct client *client)
{
    running->events.returned(running->events.context);
    queue_watch(running->queue, client);
    clients_rest(running->clients);
}

/* The client takes its place in the queue again. */
static void put_back(struct running *running, struct client *client, int descriptor)
{
    if (!take_back(running, client, descriptor))
        return;
    clients_move(running->clients, client, CLIENT_QUEUED);
    wait_again(running, client);
}

/* The start failed perhaps because of this client. */
static void put_aside(struct running *running, struct client *client, int descriptor)
{
    int error = errno;
    bool last = aside_failed(&running->aside, running->clients, client, running->loop->now);

    if (!take_back(running, client, descriptor))
        return;
    errno = error;
    running->events.failed_alone(running->events.context, client, last);
    if (last) {
        clients_end(running->clients, client, CLIENT_DROPPED);
        running->events.returned(running->events.context);
        return;
    }
    clients_step_aside(running->clients, client);
    wait_again(running, client);
}

static void on_failed(void *context, uint32_t handle, uint64_t ticket, int error, int descriptor)
{
    struct running *running = context;
    struct client *client = starting_client(running, handle, ticket);

    errno = error;
    if (aside_concerns(error)) {
        put_aside(running, client, descriptor);
        return;
    }
    backoff_failed(&running->starting, running->loop->now);
    /* The first time may have been a moment's want. */
    running->no_process = error == EAGAIN && running->starting.delay > running->starting.first;
    errno = error;
    running->events.failed(running->events.context, ticket, running->starting.delay);
    put_back(running, client, descriptor);
}

static void on_returned(void *context, uint32_t handle, uint64_t ticket, int descriptor)
{
    struct running *running = context;

    put_back(running, starting_client(running, handle, ticket), descriptor);
}

static void on_kill(void *context, unsigned dispatcher, uint32_t generation, bool give_way)
{
    struct running *running = context;

    running->events.kill(running->events.context, dispatcher, generation, give_way);
}

static bool on_signal(void *context, int32_t process, int signal_number)
{
    struct running *running = context;

    return running->events.signal(running->events.context, process, signal_number);
}

/* ---- the roll call ---- */

/* Takes this client's connections from the strays, besides `descriptor`, which was in the packet of
 * a dead dispatcher; -1: none.  Returns the one that FAILED has brought to an earlier supervisor,
 * or -1.  A single one is a copy if it was in a packet, as `copied` says of a stray. */
static int take_returned(const struct running *running, struct client *client, int descriptor)
{
    const bool copied = descriptor >= 0 || client->copied;
    int one = descriptor >= 0 ? descriptor : strays_take(running->strays, client);
    int other = copied ? strays_take(running->strays, client) : -1;

    if (other >= 0) {
        client->copied = false; /* before the copy is closed: the next supervisor may find one */
        stores_settle();
        release(other);
    } else if (one >= 0 && copied) {
        release(one);
        one = -1;
    }
    stores_settle();
    client->copied = false;
    return one;
}

/* The answer was lost with an earlier supervisor.  If that had read FAILED, it has left the
 * connection open; otherwise the handler has ended. */
static void on_lost(void *context, uint32_t handle, uint64_t ticket, int32_t process)
{
    struct running *running = context;
    struct client *client = starting_client(running, handle, ticket);
    int returned = take_returned(running, client, -1);

    if (returned >= 0 || client->returned) {
        put_back(running, client, returned);
        return;
    }
    give_away(running, client);
    client->process = process; /* it may have left others in its group */
    clients_move(running->clients, client, CLIENT_RUNNING);
    running->events.started(running->events.context, client);
    ending_unknown(running, client);
}

static bool on_held(void *context, uint32_t handle, uint64_t ticket, int descriptor)
{
    struct running *running = context;
    struct client *client = starting_client(running, handle, ticket);
    int returned = take_returned(running, client, descriptor);

    if (returned >= 0) {
        put_back(running, client, returned);
        return true;
    }
    give_away(running, client);
    clients_rest(running->clients);
    return false;
}

static void on_copied(void *context, uint32_t handle, uint64_t ticket, bool copied)
{
    const struct running *running = context;
    struct client *client = clients_find(running->clients, handle, ticket);

    if (client != NULL)
        client->copied = copied;
    clients_rest(running->clients);
}

static void on_listed(void *context, unsigned dispatcher, uint32_t handle, uint64_t ticket)
{
    const struct running *running = context;
    struct client *client = clients_find(running->clients, handle, ticket);

    if (client != NULL && client->dispatcher == dispatcher) { /* it has not ended meanwhile */
        client->listed = true;
        if (client->copied)
            close_copies(running, client); /* nothing has come back of a start that is listed */
        if (client->state == CLIENT_STARTING)
            give_away(running, client);
    }
    clients_rest(running->clients);
}

static void on_rolled(void *context, unsigned dispatcher)
{
    struct running *running = context;
    struct client *next;

    for (struct client *client = clients_first(running->clients, CLIENT_RUNNING); client != NULL;
         client = next) {
        next = clients_next(running->clients, client);
        if (client->dispatcher == dispatcher && !client->listed && !client->ended)
            ending_unknown(running, client);
        else if (client->dispatcher == dispatcher)
            client->listed = false;
    }
}

/* What a dead dispatcher has left of a START is a child only. */
static void recall_start(struct running *running, struct client *client)
{
    int returned = -1;

    clients_deal_with(running->clients, clients_ticket(client));
    if (!pool_knows(running->pool, client->dispatcher, client->generation))
        returned = take_returned(running, client, -1);
    if (returned >= 0 || (client->returned && client->descriptor >= 0)) {
        put_back(running, client, returned);
        return;
    }
    client->returned = false;
    if (!pool_recall_start(running->pool, client->dispatcher, client->generation, client->slot,
                           client->handle, clients_ticket(client)))
        put_back(running, client, -1); /* its dispatcher is unknown */
}

uint32_t running_recall(struct running *running, enum client_end end)
{
    struct client *next;
    uint32_t lost = 0;

    for (struct client *client = clients_first(running->clients, CLIENT_QUEUED); client != NULL;
         client = next) {
        next = clients_next(running->clients, client);
        if (client->copied)
            close_copies(running, client);
        if (client->descriptor >= 0)
            continue;
        clients_end(running->clients, client, end);
        lost++;
    }
    for (struct client *client = clients_first(running->clients, CLIENT_STARTING); client != NULL;
         client = next) {
        next = clients_next(running->clients, client);
        recall_start(running, client);
    }
    for (struct client *client = clients_first(running->clients, CLIENT_RUNNING); client != NULL;
         client = clients_next(running->clients, client))
        if (client->copied)
            close_copies(running, client);
    clients_rest(running->clients);
    ending_recall(running);
    return lost;
}

struct pool_events running_pool_events(struct running *running)
{
    return (struct pool_events){
        .delivered = on_delivered,
        .started = on_started,
        .failed = on_failed,
        .returned = on_returned,
        .held = on_held,
        .copied = on_copied,
        .listed = on_listed,
        .rolled = on_rolled,
        .lost = on_lost,
        .exited = ending_exited,
        .gone = ending_adopt_all,
        .kill = on_kill,
        .signal = on_signal,
        .context = running,
    };
}
