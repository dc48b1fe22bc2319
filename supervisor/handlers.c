#include "supervisor/handlers.h"

#include "dispatcher/log.h"
#include "dispatcher/wire.h"
#include "supervisor/address.h"
#include "supervisor/report.h"
#include "supervisor/waiting.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- signalling ---- */

static void signal_own_child(const struct client *client, int signal_number)
{
    /* It leads its group since before its exec, which has succeeded.  It cannot have been reaped,
     * or it would not be here. */
    if (kill(-client->process, signal_number) != 0 && errno != ESRCH)
        log_warning("cannot signal process group %d: %m", client->process);
}

static void signal_through_dispatcher(struct server *server, struct client *client)
{
    union message message;

    wire_header(&message, MESSAGE_SIGNAL, client->handle, clients_ticket(client));
    message.signal.process = client->process;
    message.signal.signal = server->ending_signal;
    if (pool_signal(&server->pool, client->dispatcher, &message) == 0)
        return;
    /* Not sent.  If the dispatcher is dead, on_gone() will see to it; else it is sent later. */
    client->signalled = 0;
    server->signals_owed = true;
}

static void signal_if_ending(struct server *server, struct client *client)
{
    if (client->signalled == server->ending_signal)
        return;
    client->signalled = (uint8_t)server->ending_signal;
    if (client->dispatcher == CLIENT_ADOPTED)
        signal_own_child(client, server->ending_signal);
    else
        signal_through_dispatcher(server, client);
}

void handlers_signal_owed(struct server *server)
{
    server->signals_owed = false;
    for (struct client *client = clients_first(&server->clients, CLIENT_RUNNING); client != NULL;
         client = clients_next(&server->clients, client))
        signal_if_ending(server, client);
}

void handlers_end(struct server *server, int signal_number)
{
    server->ending_signal = signal_number;
    pool_signal_left(&server->pool, signal_number);
    handlers_signal_owed(server);
}

/* ---- starting ---- */

/* Gives a waiting client to a dispatcher; if that does not succeed, it waits on. */
static enum pool_result give(struct server *server, struct client *client)
{
    struct clients *clients = &server->clients;
    union message message;
    enum pool_result result;

    wire_header(&message, MESSAGE_START, client->handle, clients_ticket(client));
    message.start.waited = (uint32_t)((server->loop.now - client->accepted) / LOOP_MILLISECOND);
    message.start.queued = clients_count(clients, CLIENT_QUEUED) - 1;
    message.start.running = clients_active(clients) + 1;
    message.start.remote = client->remote;
    /* It fails for no connected socket.  If it ever does, this client must not hold up the others:
     * the handler is told no local address then. */
    (void)address_of_socket(client->descriptor, &message.start.local);
    result = pool_start(&server->pool, &message, client->descriptor);
    if (result == POOL_STARTED)
        clients_move(clients, client, CLIENT_STARTING);
    return result;
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

void handlers_start_waiting(struct server *server)
{
    struct admission admission;
    struct client *client;

    admission = handlers_admission(server, 0);
    if (admission.start > 0)
        waiting_look(server);
    server->held_back_by = admission.reason;
    server->permitted = admission.permitted;
    for (; admission.start > 0 && (client = next_present(server)) != NULL; admission.start--) {
        switch (give(server, client)) {
        case POOL_STARTED:
            waiting_unwatch(server, client);
            server->permitted--;
            backoff_attempted(&server->starting, server->loop.now);
            gates_passed(&server->gates);
            break;
        case POOL_NOBODY:
            server->held_back_by = ADMISSION_DISPATCHERS;
            return;
        case POOL_FAILED:
            server->held_back_by = ADMISSION_FAILURE;
            backoff_failed(&server->starting, server->loop.now);
            log_warning("cannot give a client to a dispatcher: %m; trying again");
            return;
        }
    }
}

/* The pool vouches for what it says of clients that are starting. */
static struct client *starting_client(const struct server *server, uint32_t handle, uint64_t ticket)
{
    struct client *client = clients_find(&server->clients, handle, ticket);

    if (client == NULL || client->state != CLIENT_STARTING)
        log_bug("ticket %" PRIu64 " was answered for, and is not starting", ticket);
    return client;
}

static void enter_running(struct server *server, struct client *client, unsigned dispatcher,
                          int32_t process)
{
    /* From here on only the handler holds the connection, so that the client sees its end. */
    (void)close(client->descriptor);
    client->descriptor = -1;
    client->process = process;
    client->dispatcher = (uint8_t)dispatcher;
    client->started = server->loop.now;
    clients_move(&server->clients, client, CLIENT_RUNNING);
    if (backoff_failing(&server->starting)) {
        log_warning("handlers can be started again");
        backoff_succeeded(&server->starting);
    }
    report_started(server, client);
}

static void on_started(void *context, unsigned dispatcher, uint32_t handle, uint64_t ticket,
                       int32_t process)
{
    struct server *server = context;
    struct client *client = starting_client(server, handle, ticket);

    enter_running(server, client, dispatcher, process);
    signal_if_ending(server, client);
}

/* Nobody serves this client yet: it takes its place in the queue again. */
static void put_back(struct server *server, struct client *client)
{
    client->reaped = false;
    if (server->ending_signal != 0) {
        clients_end(&server->clients, client, CLIENT_DROPPED);
        return;
    }
    clients_move(&server->clients, client, CLIENT_QUEUED);
    gates_returned(&server->gates);
    waiting_watch(server, client);
}

static void on_failed(void *context, uint32_t handle, uint64_t ticket, int error)
{
    struct server *server = context;
    struct client *client = starting_client(server, handle, ticket);

    backoff_failed(&server->starting, server->loop.now);
    errno = error;
    log_warning("ticket %" PRIu64 ": cannot start a handler, '%s': %m; the client waits, "
                "next attempt in %" PRIu64 " ms",
                ticket, server->options->command[0], server->starting.delay / LOOP_MILLISECOND);
    put_back(server, client);
}

static void on_returned(void *context, uint32_t handle, uint64_t ticket)
{
    struct server *server = context;

    log_debug("ticket %" PRIu64 ": its dispatcher died before it started a handler", ticket);
    put_back(server, starting_client(server, handle, ticket));
}

/* ---- ending ---- */

static bool on_exited(void *context, unsigned dispatcher, const struct message_exited *message)
{
    struct server *server = context;
    struct client *client =
        clients_find(&server->clients, message->header.client, message->header.ticket);

    if (client == NULL || client->state != CLIENT_RUNNING || client->dispatcher != dispatcher)
        return false;
    report_ended(server, client, &message->status,
                 &(struct report_usage){.user_time = message->user_time,
                                        .system_time = message->system_time,
                                        .memory = message->memory});
    clients_end(&server->clients, client, CLIENT_SERVED);
    return true;
}

/* A handler whose dispatcher is dead: it has ended already, or it is our own child from now on. */
static void adopt(struct server *server, struct client *client)
{
    siginfo_t information;

    if (!client->reaped &&
        waitid(P_PID, (id_t)client->process, &information, WEXITED | WNOHANG | WNOWAIT) == 0) {
        client->dispatcher = CLIENT_ADOPTED;
        client->signalled =
            0; /* whether it was passed on is not known: twice is better than never */
        log_debug("ticket %" PRIu64 ": adopted process %d", clients_ticket(client),
                  client->process);
        signal_if_ending(server, client);
        return;
    }
    report_ended(server, client, client->reaped ? &client->status : NULL, NULL);
    clients_end(&server->clients, client, CLIENT_SERVED);
}

static void on_orphaned(void *context, uint32_t handle, uint64_t ticket, int32_t process)
{
    struct server *server = context;
    struct client *client = starting_client(server, handle, ticket);

    enter_running(server, client, CLIENT_ADOPTED, process);
    adopt(server, client);
}

static void on_gone(void *context, unsigned dispatcher)
{
    struct server *server = context;
    struct client *next;

    for (struct client *client = clients_first(&server->clients, CLIENT_RUNNING); client != NULL;
         client = next) {
        next = clients_next(&server->clients, client);
        if (client->dispatcher == dispatcher)
            adopt(server, client);
    }
    if (server->ending_signal != 0)
        pool_signal_left(&server->pool, server->ending_signal);
}

const struct dispatcher_events handlers_events = {
    .started = on_started,
    .failed = on_failed,
    .exited = on_exited,
    .gone = on_gone,
    .unanswered = {.returned = on_returned, .orphaned = on_orphaned},
};

/* ---- children of ours ---- */

/* Whose handler a process that we have reaped was; NULL if it was none. */
static struct client *client_of_process(struct server *server, pid_t process)
{
    uint32_t handle;
    uint64_t ticket;

    for (struct client *client = clients_first(&server->clients, CLIENT_RUNNING); client != NULL;
         client = clients_next(&server->clients, client))
        if (client->process == process)
            return client;
    if (pool_reaped_start(&server->pool, process, &handle, &ticket))
        return clients_find(&server->clients, handle, ticket);
    return NULL;
}

static uint64_t microseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * LOOP_SECOND + (uint64_t)time.tv_usec;
}

static void reaped(struct server *server, pid_t process, int status, const struct rusage *usage)
{
    struct client *client;

    if (pool_reaped(&server->pool, process, status))
        return;
    client = client_of_process(server, process);
    if (client == NULL) {
        log_debug("reaped process %d, which a handler left behind", process);
    } else if (client->state == CLIENT_RUNNING && client->dispatcher == CLIENT_ADOPTED) {
        report_ended(server, client, &status,
                     &(struct report_usage){.user_time = microseconds(usage->ru_utime),
                                            .system_time = microseconds(usage->ru_stime),
                                            .memory = (uint64_t)usage->ru_maxrss});
        clients_end(&server->clients, client, CLIENT_SERVED);
    } else {
        /* Its dispatcher must be dying: on_gone() will settle it, when all is heard. */
        client->reaped = true;
        client->status = status;
    }
}

void handlers_reap(struct server *server)
{
    pool_reap(&server->pool);
    for (;;) {
        struct rusage usage;
        int status;
        pid_t process = wait4(-1, &status, WNOHANG, &usage);

        if (process > 0)
            reaped(server, process, status, &usage);
        else if (process == 0 || errno == ECHILD)
            return;
        else if (errno != EINTR)
            log_bug("wait4: %m");
    }
}
