#include "supervisor/server/rollcall.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/release.h"
#include "supervisor/base/address.h"
#include "supervisor/base/socket.h"
#include "supervisor/server/reload.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kernel assigns the lowest free number, so strays are not far above what is known. */
enum { ABOVE = 1024 };

/* The descriptors that stay as they are. */
struct known {
    bool *is; /* by number */
    uint32_t limit;
    uint32_t highest;
};

static void mark(struct known *known, int descriptor)
{
    if (descriptor < 0 || (uint32_t)descriptor >= known->limit)
        return;
    known->is[descriptor] = true;
    if ((uint32_t)descriptor > known->highest)
        known->highest = (uint32_t)descriptor;
}

static void mark_dispatchers(struct known *known, const struct pool_known *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (int j = 0; list[i].process != 0 && j < CHANNEL_DESCRIPTORS; j++)
            mark(known, list[i].descriptors[j]);
}

static void mark_clients(struct known *known, const struct lasting *lasting)
{
    const struct clients_books *books = lasting->clients;

    for (uint32_t i = 0; i < books->used; i++)
        if (books->records[i].state != CLIENT_NONE)
            mark(known, books->records[i].descriptor);
}

static void mark_all(struct known *known, const struct server *server,
                     const struct listeners *listeners, int link)
{
    const struct lasting *lasting = server->lasting;

    for (int i = 0; i <= PROTOCOL_LAST; i++)
        mark(known, i);
    mark(known, log_descriptor());
    mark(known, link);
    mark(known, lasting->options.ready_descriptor);
    mark(known, lasting->rules);
    mark(known, server->control.source.descriptor);
    mark(known, server->metrics.source.descriptor);
    for (size_t i = 0; i < listeners->count; i++)
        mark(known, listeners->list[i].descriptor);
    for (int i = 0; i < OPTIONS_GATES; i++)
        mark(known, server->gates.list[i].gauge.descriptor);
    if (lasting->handover.phase != HANDOVER_NONE)
        mark(known, lasting->handover.source.descriptor);
    if (server->takeover != NULL && !lasting->takeover_closed)
        mark(known, server->takeover->source.descriptor);
    mark_dispatchers(known, lasting->pool.dispatchers, POOL_MAXIMUM);
    mark_dispatchers(known, lasting->pool.left,
                     sizeof(lasting->pool.left) / sizeof(*lasting->pool.left));
    mark_clients(known, lasting);
}

/* Listeners that the predecessor closed are closed: their numbers may be others' by now. */
static void forget_closed(struct listeners *listeners, struct loop_source *operators[2])
{
    for (size_t i = 0; i < listeners->count; i++)
        if (socket_get(listeners->list[i].descriptor, SOL_SOCKET, SO_ACCEPTCONN) != 1)
            listeners->list[i].descriptor = -1;
    for (int i = 0; i < 2; i++)
        if (socket_get(operators[i]->descriptor, SOL_SOCKET, SO_ACCEPTCONN) != 1)
            operators[i]->descriptor = -1;
}

static bool is_stray(const struct listeners *listeners, int descriptor)
{
    if (socket_get(descriptor, SOL_SOCKET, SO_TYPE) != SOCK_STREAM ||
        socket_get(descriptor, SOL_SOCKET, SO_ACCEPTCONN) != 0)
        return false;
    for (size_t i = 0; i < listeners->count; i++)
        if (listener_has_accepted(&listeners->list[i], descriptor))
            return true;
    return false;
}

int rollcall_sort(struct server *server, struct listeners *listeners, int link)
{
    struct known known = {.limit = server->lasting->descriptors_allowed};

    known.is = calloc(known.limit, sizeof(*known.is));
    if (known.is == NULL)
        return -1;
    clients_sort_descriptors(server->lasting->clients);
    refusals_forget(server->lasting->lingering);
    forget_closed(listeners,
                  (struct loop_source *[]){&server->control.source, &server->metrics.source});
    mark_all(&known, server, listeners, link);
    for (uint32_t i = 0; i < known.limit && i <= known.highest + ABOVE; i++) {
        int descriptor = (int)i;

        if (known.is[i] || fcntl(descriptor, F_GETFD) < 0)
            continue;
        if (is_stray(listeners, descriptor))
            strays_add(&server->strays, descriptor);
        else
            (void)close(descriptor); /* only the predecessor used it */
    }
    free(known.is);
    return 0;
}

/* Returns the process that the START of a client has led to; 0: none. */
static int32_t process_of(const struct keeper *keeper, const struct client *client)
{
    const struct keeper_dispatcher *dispatcher = &keeper->dispatchers[client->dispatcher];
    struct ledger_slot slot;

    return client->dispatcher < keeper->count && client->generation == dispatcher->generation &&
                   pread(dispatcher->ledger, &slot, sizeof(slot),
                         (off_t)(client->slot * sizeof(slot))) == (ssize_t)sizeof(slot) &&
                   slot.process > 1
               ? slot.process
               : 0;
}

/* The keeper has adopted the handler of a START that was not answered. */
static void adopt_start(const struct keeper *keeper, struct client *client)
{
    client->process = process_of(keeper, client);
    if (client->process == 0)
        return;
    client->dispatcher = CLIENT_ADOPTED;
    clients_settle();
    client->state = CLIENT_RUNNING;
}

void rollcall_forget(struct server *server, const struct keeper *keeper)
{
    struct lasting *lasting = server->lasting;
    struct clients_books *books = lasting->clients;

    for (uint32_t i = 0; i < books->used; i++) {
        books->records[i].descriptor = -1;
        if (books->records[i].state == CLIENT_STARTING)
            adopt_start(keeper, &books->records[i]);
    }
    memset(lasting->lingering, 0, sizeof(lasting->lingering));
    for (unsigned i = 0; i < POOL_MAXIMUM; i++)
        lasting->pool.dispatchers[i].process = 0; /* it finds nobody, and exits */
    memset(lasting->pool.left, 0, sizeof(lasting->pool.left));
    /* The new process serves if it finds us gone after COMMITTED. */
    lasting->handover.phase =
        lasting->handover.phase >= HANDOVER_COMMITTED ? HANDOVER_DONE : HANDOVER_NONE;
    lasting->handover.source.descriptor = -1;
    lasting->takeover_closed = true;
    lasting->options.ready_descriptor = -1;
}

static bool is_fault(int signal_number)
{
    return signal_number == SIGSEGV || signal_number == SIGBUS || signal_number == SIGABRT ||
           signal_number == SIGSYS || signal_number == SIGILL || signal_number == SIGFPE;
}

/* A client on which two supervisors in a row have died may be what kills them. */
static void end_suspect(struct server *server)
{
    struct lasting *lasting = server->lasting;
    struct clients *clients = &server->queue.clients;
    uint64_t ticket = is_fault(lasting->standby.killed_by) ? lasting->clients->working : 0;
    struct client *client = clients_first(clients, CLIENT_QUEUED);
    bool again = ticket != 0 && ticket == lasting->suspect;

    lasting->suspect = ticket;
    while (client != NULL && clients_ticket(client) != ticket)
        client = clients_next(clients, client);
    if (!again || client == NULL)
        return;
    log_error("ticket %" PRIu64 ": two supervisors have died of signal %d while they dealt with "
              "this client: closing it",
              ticket, lasting->standby.killed_by);
    clients_end(clients, client, CLIENT_DROPPED);
}

void rollcall_begin(struct server *server)
{
    const struct clients *clients = &server->queue.clients;
    uint32_t lost;

    pool_recall(&server->pool);
    lost = running_recall(&server->running);
    end_suspect(server);
    if (lost > 0)
        log_error("waiting clients that were lost with the supervisor and its standby: %u", lost);
    log_info("a supervisor takes the place of another: %u clients wait, %u have a handler",
             clients_count(clients, CLIENT_QUEUED), clients_active(clients));
    server->rolling = true;
}

void rollcall_advance(struct server *server)
{
    struct endpoint remote;
    int stray;

    if (!server->rolling || pool_is_rolling(&server->pool) || reload_holds_clients(server))
        return;
    server->rolling = false;
    while ((stray = strays_next(&server->strays)) >= 0) {
        if (address_of_remote(stray, &remote) == 0 && clients_reserve(&server->queue.clients) == 0)
            queue_enter(&server->queue, stray, &remote);
        else
            release(stray); /* it is broken, or there is no memory for it */
    }
    if (server->lasting->shutdown.stage >= SERVER_TERMINATING)
        (void)queue_drop(&server->queue); /* as all clients that waited */
}
