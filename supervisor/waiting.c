#include "supervisor/waiting.h"

#include "supervisor/report.h"

#include <stddef.h>

static void on_gone(void *context, uint32_t handle, uint32_t mark);

int waiting_open(struct server *server)
{
    static const enum watch_sign signs[] = {
        [OPTIONS_ABANDON_HANGUP] = WATCH_HANGUP,
        [OPTIONS_ABANDON_HALF_CLOSE] = WATCH_HALF_CLOSE,
        [OPTIONS_ABANDON_NEVER] = WATCH_NOTHING,
    };

    return watch_open(&server->watch, &server->loop, signs[server->options->abandon], on_gone,
                      server);
}

void waiting_watch(struct server *server, struct client *client)
{
    client->watched = watch_add(&server->watch, client->descriptor, client->handle,
                                (uint32_t)clients_ticket(client));
}

void waiting_unwatch(struct server *server, struct client *client)
{
    if (client->watched)
        watch_remove(&server->watch, client->descriptor);
    client->watched = false;
}

/* ---- gone ---- */

static void abandoned(struct server *server, struct client *client)
{
    waiting_unwatch(server, client);
    report_abandoned(server, client);
    clients_end(&server->clients, client, CLIENT_ABANDONED);
}

/* The mark, half of its ticket, tells it from another client that has the handle meanwhile. */
static void on_gone(void *context, uint32_t handle, uint32_t mark)
{
    struct server *server = context;
    struct client *client = clients_with_handle(&server->clients, handle);

    if (client != NULL && client->watched && (uint32_t)clients_ticket(client) == mark)
        abandoned(server, client);
}

void waiting_look(struct server *server)
{
    watch_look(&server->watch);
}

bool waiting_is_there(struct server *server, struct client *client)
{
    /* Of one that is watched waiting_look() would have told. */
    if (client->watched || !watch_shows(&server->watch, client->descriptor))
        return true;
    abandoned(server, client);
    return false;
}

/* ---- refused ---- */

static void refuse(struct server *server, struct client *client, enum client_end reason)
{
    int descriptor = client->descriptor;

    waiting_unwatch(server, client);
    report_refused(server, &client->remote, reason);
    client->descriptor = -1; /* passed on */
    clients_end(&server->clients, client, reason);
    refusals_begin(&server->refusals, descriptor);
}

static bool is_new(const struct server *server, const struct client *client)
{
    return client != NULL && clients_ticket(client) > server->judged;
}

/* Refuses new clients, the newest first, that are too many of one source, or in all. */
static void refuse_excess(struct server *server, enum client_end reason)
{
    const struct clients *clients = &server->clients;
    struct client *before;

    for (struct client *client = clients_newest(clients); is_new(server, client); client = before) {
        before = clients_before(clients, client);
        if (reason == CLIENT_REFUSED_SOURCE
                ? clients_of_source(client) > server->options->per_source_queue
                : clients_count(clients, CLIENT_QUEUED) > server->queue_maximum)
            refuse(server, client, reason);
    }
}

void waiting_judge(struct server *server)
{
    const struct clients *clients = &server->clients;

    /* Who waits only until a dispatcher has room has not come in vain. */
    if (server->held_back_by == ADMISSION_DISPATCHERS || server->judged == clients->accepted)
        return;
    if (server->options->per_source_queue != OPTIONS_NONE)
        refuse_excess(server, CLIENT_REFUSED_SOURCE);
    if (server->options->refuse)
        refuse_excess(server, CLIENT_REFUSED_QUEUE);
    for (struct client *client = clients_newest(clients); is_new(server, client);
         client = clients_before(clients, client))
        waiting_watch(server, client);
    server->judged = clients->accepted;
}

/* ---- too long ---- */

uint64_t waiting_deadline(const struct server *server)
{
    const struct client *oldest;

    if (server->options->queue_timeout == 0)
        return 0;
    oldest = clients_first(&server->clients, CLIENT_QUEUED);
    return oldest == NULL ? 0 : oldest->accepted + server->options->queue_timeout;
}

void waiting_expire(struct server *server)
{
    enum { AT_ONCE = 64 };

    for (int i = 0; i < AT_ONCE; i++) {
        uint64_t deadline = waiting_deadline(server);

        if (deadline == 0 || deadline > server->loop.now)
            return;
        refuse(server, clients_first(&server->clients, CLIENT_QUEUED), CLIENT_REFUSED_TIMEOUT);
    }
}
