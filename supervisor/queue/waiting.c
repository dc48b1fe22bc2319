#include "supervisor/queue/waiting.h"

#include "dispatcher/shared/log.h"
#include "supervisor/figures/report.h"

#include <stddef.h>

enum {
    CROWDED_FOR = LOOP_SECOND,
    /* Most who wait at all wait for less than this: then looking at them when their turn comes is
     * cheaper than watching them. */
    WATCHED_AFTER = 50 * LOOP_MILLISECOND,
    /* But that is to be done for so many, or a round's, at most, as all of them come to be watched
     * at once.  How many are watched already does not matter: others may overtake a crowd. */
    UNWATCHED_AT_MOST = 128
};

static void on_gone(void *context, uint32_t handle);

int waiting_open(struct server *server)
{
    return watch_open(&server->watch, &server->loop, server->options->abandon, on_gone, server);
}

void waiting_watch(struct server *server, struct client *client)
{
    if (!client->watched)
        client->watched = watch_add(&server->watch, client->descriptor, client->handle);
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

static void on_gone(void *context, uint32_t handle)
{
    struct server *server = context;
    struct client *client = clients_with_handle(&server->clients, handle);

    /* A connection that nobody knows of would be told of without end. */
    if (client != NULL && client->watched)
        abandoned(server, client);
    else
        log_bug("client %u is gone and was not watched", handle);
}

void waiting_look(struct server *server)
{
    watch_look(&server->watch);
}

bool waiting_is_there(struct server *server, struct client *client)
{
    /* Of one that is watched the loop would have told, or waiting_look(). */
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

/* How many of those who wait may start, and do not only because dispatchers have no room.  They
 * count as started, since this is a matter of milliseconds; but if it lasts, they wait like all. */
static uint32_t excused(struct server *server)
{
    if (server->held_back_by != ADMISSION_DISPATCHERS) {
        server->crowded_until = 0;
        return 0;
    }
    if (server->crowded_until == 0)
        server->crowded_until = server->loop.now + CROWDED_FOR;
    return server->loop.now < server->crowded_until ? server->permitted : 0;
}

/* Refuses new clients, the newest first, until no more wait than may. */
static void refuse_excess(struct server *server, uint32_t most)
{
    const struct clients *clients = &server->clients;
    struct client *client = clients_newest(clients);

    while (is_new(server, client) && clients_count(clients, CLIENT_QUEUED) > most) {
        struct client *before = clients_before(clients, client);

        refuse(server, client, CLIENT_REFUSED_QUEUE);
        client = before;
    }
}

/* Refuses new clients, the newest first, of sources with too many waiting. */
static void refuse_excess_of_sources(struct server *server)
{
    const struct clients *clients = &server->clients;
    struct client *before;

    for (struct client *client = clients_newest(clients); is_new(server, client); client = before) {
        before = clients_before(clients, client);
        if (clients_of_source(client) > server->options->per_source_queue)
            refuse(server, client, CLIENT_REFUSED_SOURCE);
    }
}

/* Whether the new ones need not be watched yet: who has given up takes nobody's place meanwhile. */
static bool may_be_watched_later(const struct server *server)
{
    uint32_t queued = clients_count(&server->clients, CLIENT_QUEUED);
    uint32_t unwatched = queued - server->watch.count;

    return queued > 0 && unwatched <= UNWATCHED_AT_MOST && queued < server->queue_maximum &&
           !server->options->refuse && server->options->per_source_queue == OPTIONS_NONE &&
           server->loop.now < server->attend_at;
}

static void watch_new(struct server *server)
{
    const struct clients *clients = &server->clients;

    if (clients_count(clients, CLIENT_QUEUED) > 0 && server->attend_at == 0 &&
        server->attended < clients->last_ticket)
        server->attend_at = server->loop.now + WATCHED_AFTER;
    if (may_be_watched_later(server))
        return;
    server->attend_at = 0;
    for (struct client *client = clients_newest(clients);
         client != NULL && clients_ticket(client) > server->attended;
         client = clients_before(clients, client))
        waiting_watch(server, client);
    server->attended = clients->last_ticket;
}

void waiting_judge(struct server *server)
{
    uint32_t more = excused(server);

    if (more == 0 && server->options->per_source_queue != OPTIONS_NONE)
        refuse_excess_of_sources(server);
    if (server->options->refuse)
        refuse_excess(server, more > UINT32_MAX - server->queue_maximum
                                  ? UINT32_MAX
                                  : server->queue_maximum + more);
    watch_new(server);
    if (more == 0)
        server->judged = server->clients.last_ticket;
}

uint64_t waiting_next_judgement(const struct server *server)
{
    uint64_t crowded = server->judged < server->clients.last_ticket ? server->crowded_until : 0;

    return crowded == 0 || (server->attend_at != 0 && server->attend_at < crowded)
               ? server->attend_at
               : crowded;
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
