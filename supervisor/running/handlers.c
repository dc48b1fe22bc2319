#include "supervisor/running/handlers.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/release.h"
#include "dispatcher/shared/wire.h"
#include "supervisor/base/address.h"
#include "supervisor/figures/report.h"
#include "supervisor/queue/waiting.h"
#include "supervisor/running/ending.h"
#include "supervisor/running/signalling.h"

#include <errno.h>
#include <inttypes.h>

/* ---- starting ---- */

/* Gives a waiting client to a dispatcher, with pool_flush(); returns false if none can take it. */
static bool give(struct server *server, struct client *client)
{
    struct clients *clients = &server->clients;
    union message message;

    wire_header(&message, MESSAGE_START, client->handle, clients_ticket(client));
    message.start.waited = (uint32_t)((server->loop.now - client->accepted) / LOOP_MILLISECOND);
    message.start.queued = clients_count(clients, CLIENT_QUEUED) - 1;
    message.start.running = clients_active(clients) + 1;
    message.start.remote = client->remote;
    /* It fails for no connected socket.  If it ever does, this client must not hold up the others:
     * the handler is told no local address then. */
    (void)address_of_socket(client->descriptor, &message.start.local);
    if (!pool_start(&server->pool, &message, client->descriptor))
        return false;
    clients_move(clients, client, CLIENT_STARTING);
    waiting_unwatch(server, client);
    server->permitted--;
    backoff_attempted(&server->starting, server->loop.now);
    gates_passed(&server->gates);
    return true;
}

struct admission handlers_admission(struct server *server, uint32_t newcomers)
{
    const struct options *options = server->options;
    struct admission_facts facts = {
        .queued = clients_count(&server->clients, CLIENT_QUEUED) + newcomers,
        .startable = clients_startable(&server->clients) + newcomers,
        .active = clients_active(&server->clients),
        .processes = options->processes == 0 ? ADMISSION_UNLIMITED : options->processes,
        .dispatchers = pool_room(&server->pool),
        .starts_failed = backoff_failing(&server->starting),
        .starts_held = backoff_holds(&server->starting, server->loop.now),
        .ending = server->ending_signal != 0,
        .paused = server->paused || handover_holds_starts(server),
    };

    if (facts.queued == 0)
        return (struct admission){.reason = ADMISSION_NONE};
    gates_look(&server->gates, &facts, server->loop.now);
    return admission_decide(&facts);
}

/* Whose turn it is, of those who are still there. */
static struct client *next_present(struct server *server)
{
    struct client *client = clients_next_turn(&server->clients);

    while (client != NULL && !waiting_is_there(server, client))
        client = clients_next_turn(&server->clients);
    return client;
}

/* What was given is sent in any case. */
static int start_some(struct server *server, uint32_t count)
{
    struct client *client;

    for (; count > 0 && (client = next_present(server)) != NULL; count--)
        if (!give(server, client))
            break;
    return pool_flush(&server->pool);
}

/* If not even one handler runs, it is dispatchers who have taken the last places: a limit on
 * processes may be lower than their number. */
static void make_room(struct server *server)
{
    if (server->no_process && clients_active(&server->clients) == 0)
        pool_give_way(&server->pool);
    server->no_process = false;
}

void handlers_start_waiting(struct server *server)
{
    struct admission admission = handlers_admission(server, 0);

    make_room(server);
    if (admission.start > 0 && server->loop.crowded)
        waiting_look(server); /* otherwise the loop has told who has given up */
    server->held_back_by = admission.reason;
    server->permitted = admission.permitted;
    if (start_some(server, admission.start) == 0)
        return;
    server->held_back_by = ADMISSION_FAILURE;
    backoff_failed(&server->starting, server->loop.now);
    log_warning("cannot give a client to a dispatcher: %m; trying again");
}

/* The pool vouches for what it says of clients that are starting. */
static struct client *starting_client(const struct server *server, uint32_t handle, uint64_t ticket)
{
    struct client *client = clients_find(&server->clients, handle, ticket);

    if (client == NULL || client->state != CLIENT_STARTING)
        log_bug("ticket %" PRIu64 " was answered for, and is not starting", ticket);
    return client;
}

/* `age`: so many microseconds ago its handler was cloned; not before the client was given away. */
static void enter_running(struct server *server, struct client *client, unsigned dispatcher,
                          int32_t process, uint64_t age)
{
    uint64_t given = server->loop.now - client->started;

    client->started = server->loop.now - (age < given ? age : given);
    client->process = process;
    client->dispatcher = (uint8_t)dispatcher;
    statistics_started(&server->statistics, client->started - client->accepted);
    clients_move(&server->clients, client, CLIENT_RUNNING);
    if (backoff_failing(&server->starting)) {
        trouble_start_succeeded(&server->trouble);
        backoff_succeeded(&server->starting);
    }
    report_started(server, client);
    timeouts_begin(&server->timeouts, client);
}

static void on_started(void *context, unsigned dispatcher, uint32_t handle, uint64_t ticket,
                       int32_t process, uint32_t age)
{
    struct server *server = context;
    struct client *client = starting_client(server, handle, ticket);

    enter_running(server, client, dispatcher, process, age);
    signalling_look(server, client);
}

/* The packet holds the connection now, and soon the handler alone, so that the client sees its end.
 */
static void on_delivered(void *context, uint32_t handle, uint64_t ticket)
{
    struct server *server = context;
    struct client *client = starting_client(server, handle, ticket);

    client->started = server->loop.now; /* at the earliest: enter_running() */
    release(client->descriptor);
    client->descriptor = -1;
}

/* The connection has come back, if it ever was away.  Otherwise there is nobody to serve. */
static bool has_connection(struct client *client, int descriptor)
{
    if (descriptor >= 0 && client->descriptor < 0 && address_is_from(descriptor, &client->remote))
        client->descriptor = descriptor;
    else if (descriptor >= 0)
        release(descriptor);
    if (client->descriptor < 0)
        log_error("ticket %" PRIu64 " was not started, and its connection has not come back",
                  clients_ticket(client));
    return client->descriptor >= 0;
}

/* Nobody serves this client yet: it takes its place in the queue again. */
static void put_back(struct server *server, struct client *client, int descriptor)
{
    client->reaped = false;
    if (!has_connection(client, descriptor) || server->ending_signal != 0) {
        clients_end(&server->clients, client, CLIENT_DROPPED);
        return;
    }
    clients_move(&server->clients, client, CLIENT_QUEUED);
    gates_returned(&server->gates);
    waiting_watch(server, client);
}

static void on_failed(void *context, uint32_t handle, uint64_t ticket, int error, int descriptor)
{
    struct server *server = context;
    struct client *client = starting_client(server, handle, ticket);

    server->statistics.starts_failed++;
    backoff_failed(&server->starting, server->loop.now);
    /* The first time may have been a moment's want. */
    server->no_process = error == EAGAIN && server->starting.delay > server->starting.first;
    errno = error;
    trouble_start_failed(&server->trouble, ticket, server->starting.delay);
    put_back(server, client, descriptor);
}

static void on_undelivered(void *context, uint32_t handle, uint64_t ticket)
{
    struct server *server = context;

    put_back(server, starting_client(server, handle, ticket), -1);
}

static void on_returned(void *context, uint32_t handle, uint64_t ticket, int descriptor)
{
    struct server *server = context;

    log_debug("ticket %" PRIu64 ": its dispatcher died before it started a handler", ticket);
    put_back(server, starting_client(server, handle, ticket), descriptor);
}

/* ---- what else the dispatchers report ---- */

static bool on_exited(void *context, unsigned dispatcher, const struct message_exited *message)
{
    return ending_exited(context, dispatcher, message);
}

static void on_orphaned(void *context, uint32_t handle, uint64_t ticket, int32_t process)
{
    struct server *server = context;
    struct client *client = starting_client(server, handle, ticket);

    enter_running(server, client, CLIENT_ADOPTED, process, 0);
    ending_adopt(server, client);
}

static void on_gone(void *context, unsigned dispatcher)
{
    struct server *server = context;

    ending_adopt_all(server, dispatcher);
    signalling_left(server);
    reload_gone(server, dispatcher);
}

/* Not now, in the midst of what a dispatcher says or of its end. */
static void on_unsignalled(void *context)
{
    struct server *server = context;

    server->unsignalled = true;
}

static bool on_is_handler(void *context, pid_t process)
{
    return ending_is_awaited(context, process);
}

const struct dispatcher_events handlers_events = {
    .delivered = on_delivered,
    .undelivered = on_undelivered,
    .started = on_started,
    .failed = on_failed,
    .exited = on_exited,
    .unsignalled = on_unsignalled,
    .content = reload_content,
    .gone = on_gone,
    .is_handler = on_is_handler,
    .unanswered = {.returned = on_returned, .failed = on_failed, .orphaned = on_orphaned},
};
