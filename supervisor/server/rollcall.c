#include "supervisor/server/rollcall.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/release.h"
#include "supervisor/base/address.h"
#include "supervisor/base/socket.h"
#include "supervisor/base/stores.h"
#include "supervisor/server/reload.h"
#include "supervisor/server/shutdown.h"

#include <errno.h>
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

/* Marks the connections that linger, and forgets those that are closed.  One that was taken out of
 * its client's record may still be in there, too. */
static void mark_lingering(struct known *known, struct lasting *lasting,
                           struct clients_books *books)
{
    for (int i = 0; i < LINGERING_MAXIMUM; i++) {
        int descriptor = lasting->lingering[i] - 1;

        if (descriptor >= 0 && fcntl(descriptor, F_GETFD) < 0)
            lasting->lingering[i] = 0;
        else
            mark(known, descriptor);
    }
    for (uint32_t i = 0; i < books->used; i++) {
        struct client *client = &books->records[i];

        if (client->state != CLIENT_NONE && client->descriptor >= 0 &&
            (uint32_t)client->descriptor < known->limit && known->is[client->descriptor])
            client->descriptor = -1;
    }
}

static void mark_clients(struct known *known, const struct clients_books *books)
{
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
    mark_dispatchers(known, lasting->pool.left, POOL_LEFT);
    mark_clients(known, server->books);
}

/* Asks for an option that every stream socket has.  Sets `value`, to -1 if the descriptor is closed
 * or is no socket.  Returns 0, or -1 with errno if the system does not tell now. */
static int look(int descriptor, int option, int *value)
{
    *value = socket_get(descriptor, SOL_SOCKET, option);
    return *value >= 0 || errno == EBADF || errno == ENOTSOCK ? 0 : -1;
}

/* Sets a descriptor to -1 that does not listen. */
static int forget_if_closed(int *descriptor)
{
    int listens;

    if (look(*descriptor, SO_ACCEPTCONN, &listens) != 0)
        return -1;
    if (listens != 1)
        *descriptor = -1;
    return 0;
}

/* Listeners that the predecessor closed are closed: their numbers may be others' by now. */
static int forget_closed(struct server *server, struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++)
        if (forget_if_closed(&listeners->list[i].descriptor) != 0)
            return -1;
    return forget_if_closed(&server->control.source.descriptor) == 0
               ? forget_if_closed(&server->metrics.source.descriptor)
               : -1;
}

/* Sets `stray` if a listener has accepted this connection. */
static int find_out(const struct listeners *listeners, int descriptor, bool *stray)
{
    int type;
    int listens;

    *stray = false;
    if (look(descriptor, SO_TYPE, &type) != 0)
        return -1;
    if (type != SOCK_STREAM)
        return 0;
    if (look(descriptor, SO_ACCEPTCONN, &listens) != 0)
        return -1;
    if (listens != 0)
        return 0;
    for (size_t i = 0; i < listeners->count && !*stray; i++)
        *stray = listener_has_accepted(&listeners->list[i], descriptor);
    return 0;
}

/* Keeps the connections that no client has, and closes what only the predecessor used.  Returns 0,
 * or -1 with errno: nothing has been closed that the next supervisor needs. */
static int sort(struct server *server, const struct listeners *listeners, const struct known *known)
{
    for (uint32_t i = 0; i < known->limit && i <= known->highest + ABOVE; i++) {
        int descriptor = (int)i;
        bool stray;

        if (known->is[i] || fcntl(descriptor, F_GETFD) < 0)
            continue;
        if (find_out(listeners, descriptor, &stray) != 0)
            return -1;
        if (stray)
            strays_add(&server->strays, descriptor);
        else
            (void)close(descriptor);
    }
    return 0;
}

int rollcall_sort(struct server *server, struct listeners *listeners, int link)
{
    struct known known = {.limit = server->lasting->descriptors_allowed};
    int result;

    known.is = calloc(known.limit, sizeof(*known.is));
    if (known.is == NULL)
        return -1;
    mark_lingering(&known, server->lasting, server->books);
    clients_sort_descriptors(server->books);
    result = forget_closed(server, listeners);
    if (result == 0) {
        mark_all(&known, server, listeners, link);
        result = sort(server, listeners, &known);
    }
    free(known.is);
    return result;
}

/* Returns the process that the START of a client has led to; 0: none. */
static int32_t process_of(const struct keeper *keeper, const struct client *client)
{
    const struct keeper_dispatcher *dispatcher = &keeper->dispatchers[client->dispatcher];
    struct ledger ledger;
    int32_t process = 0;

    if (client->dispatcher < keeper->count && client->generation == dispatcher->generation &&
        client->slot < PROTOCOL_SLOTS &&
        pread(dispatcher->ledger, &ledger, sizeof(ledger), 0) == (ssize_t)sizeof(ledger))
        process = ledger_process(&ledger, client->slot);
    return process > 1 ? process : 0;
}

/* The keeper has adopted the handler of a START that was not answered. */
static void adopt_start(const struct keeper *keeper, struct client *client)
{
    client->process = process_of(keeper, client);
    if (client->process == 0)
        return;
    client->dispatcher = CLIENT_ADOPTED;
    stores_settle();
    client->state = CLIENT_RUNNING;
}

void rollcall_forget(struct server *server, const struct keeper *keeper)
{
    struct lasting *lasting = server->lasting;
    struct clients_books *books = server->books;

    for (uint32_t i = 0; i < books->used; i++) {
        books->records[i].descriptor = -1;
        if (books->records[i].state == CLIENT_STARTING)
            adopt_start(keeper, &books->records[i]);
    }
    memset(lasting->lingering, 0, sizeof(lasting->lingering));
    for (unsigned i = 0; i < POOL_MAXIMUM; i++)
        lasting->pool.dispatchers[i].process = 0; /* it finds nobody, and exits */
    memset(lasting->pool.left, 0, sizeof(lasting->pool.left));
    /* The new process serves if it finds the link closed after ALL.  If it is dead as well, the
     * service must not look as if it had ended well. */
    if (lasting->handover.phase == HANDOVER_SENT)
        lasting->shutdown.forced = true;
    lasting->handover.phase =
        lasting->handover.phase >= HANDOVER_SENT ? HANDOVER_DONE : HANDOVER_NONE;
    lasting->handover.source.descriptor = -1;
    lasting->takeover_closed = true;
    lasting->options.ready_descriptor = -1;
    lasting->rules = -1; /* they may be older than those that were read last */
    stores_settle();
    lasting->is_other_pair = false; /* last: the next supervisor begins again otherwise */
}

static bool is_fault(int signal_number)
{
    return signal_number == SIGSEGV || signal_number == SIGBUS || signal_number == SIGABRT ||
           signal_number == SIGSYS || signal_number == SIGILL || signal_number == SIGFPE ||
           signal_number == SIGTRAP;
}

static void log_suspect(uint64_t ticket, int signal_number, const char *what)
{
    log_error("ticket %" PRIu64 ": two supervisors have died of signal %d while they dealt with "
              "this client: %s",
              ticket, signal_number, what);
}

/* A client on which two supervisors in a row have died may be what kills them. */
static void disarm(struct server *server, uint64_t ticket, int signal_number)
{
    enum client_state state = clients_disarm(server->books, ticket);

    if (state == CLIENT_QUEUED)
        log_suspect(ticket, signal_number, "closing it");
    else if (state == CLIENT_STARTING || state == CLIENT_RUNNING)
        log_suspect(ticket, signal_number, "leaving it to its handler, and forgetting its address");
    else if (state == CLIENT_NONE && ticket == server->books->last_ticket + 1)
        server->distrusts = signal_number; /* it has no record yet */
}

void rollcall_disarm(struct server *server)
{
    struct lasting *lasting = server->lasting;
    int signal_number = lasting->standby.killed_by;
    uint64_t ticket = is_fault(signal_number) ? server->books->working : 0;
    bool again = ticket != 0 && ticket == lasting->suspect;

    lasting->suspect = ticket;
    stores_settle();
    server->books->working = 0;
    lasting->standby.killed_by = 0; /* it counts once */
    if (again)
        disarm(server, ticket, signal_number);
}

int rollcall_begin(struct server *server)
{
    const struct clients *clients = &server->queue.clients;
    const enum client_end end =
        server->lasting->handover.phase == HANDOVER_DONE ? CLIENT_HANDED_OVER : CLIENT_DROPPED;
    uint32_t lost;

    if (pool_recall(&server->pool) != 0)
        return -1;
    lost = running_recall(&server->running, end);
    if (lost > 0 && end == CLIENT_DROPPED)
        log_error("waiting clients that were lost with the supervisor and its standby: %u", lost);
    log_info("a supervisor takes the place of another: %u clients wait, %u have a handler",
             clients_count(clients, CLIENT_QUEUED), clients_active(clients));
    server->rolling = true;
    return 0;
}

/* Closes the first stray without a look at it: the predecessors have died of that. */
static void close_suspect(struct server *server)
{
    struct clients *clients = &server->queue.clients;
    int stray = clients_reserve(clients) == 0 ? strays_next(&server->strays) : -1;

    if (stray < 0)
        return;
    log_suspect(clients->books->last_ticket + 1, server->distrusts, "closing it");
    clients_turn_away(clients, stray, &(struct endpoint){0}, CLIENT_DROPPED);
}

void rollcall_advance(struct server *server)
{
    struct endpoint remote;
    int stray;

    if (!server->rolling || pool_is_rolling(&server->pool) || reload_holds_clients(server))
        return;
    server->rolling = false;
    if (server->distrusts != 0)
        close_suspect(server);
    while ((stray = strays_next(&server->strays)) >= 0) {
        if (clients_reserve(&server->queue.clients) == 0 && address_of_remote(stray, &remote) == 0)
            queue_enter(&server->queue, stray, &remote);
        else
            release(stray); /* it is broken, or there is no memory for it */
    }
    if (server->lasting->shutdown.stage >= SERVER_TERMINATING)
        shutdown_clear_queue(server); /* strays wait no longer than the others */
}
