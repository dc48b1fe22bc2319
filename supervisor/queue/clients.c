#include "supervisor/queue/clients.h"

#include "dispatcher/shared/release.h"

int clients_open(struct clients *clients, const struct options *options)
{
    *clients = (struct clients){0};
    for (int state = 0; state < CLIENT_STATES; state++)
        list_open(&clients->lists[state]);
    list_open(&clients->arrivals);
    slab_open(&clients->records, sizeof(struct client));
    return order_open(&clients->order, options);
}

void clients_close(struct clients *clients)
{
    order_close(&clients->order);
    slab_close(&clients->records);
}

int clients_reserve(struct clients *clients)
{
    return slab_reserve(&clients->records) == 0 ? order_reserve(&clients->order) : -1;
}

struct client *clients_accept(struct clients *clients, int descriptor,
                              const struct endpoint *remote, uint64_t now)
{
    return clients_inherit(clients, ++clients->last_ticket, descriptor, remote, now);
}

struct client *clients_inherit(struct clients *clients, uint64_t ticket, int descriptor,
                               const struct endpoint *remote, uint64_t accepted)
{
    uint32_t handle;
    struct client *client = slab_take(&clients->records, &handle);

    *client = (struct client){
        .place.entry.ticket = ticket,
        .arrival.ticket = ticket,
        .accepted = accepted,
        .remote = *remote,
        .handle = handle,
        .descriptor = descriptor,
        .state = CLIENT_QUEUED,
    };
    clients->accepted++;
    order_join(&clients->order, &client->place, remote);
    list_append(&clients->arrivals, &client->arrival);
    return client;
}

struct client *clients_with_handle(const struct clients *clients, uint32_t handle)
{
    struct client *client = slab_at(&clients->records, handle);

    return client != NULL && clients_ticket(client) != 0 ? client : NULL;
}

struct client *clients_find(const struct clients *clients, uint32_t handle, uint64_t ticket)
{
    struct client *client = clients_with_handle(clients, handle);

    return client != NULL && clients_ticket(client) == ticket ? client : NULL;
}

uint64_t clients_ticket(const struct client *client)
{
    return client->place.entry.ticket;
}

struct client *clients_next_turn(const struct clients *clients)
{
    return (struct client *)order_next(&clients->order); /* its first member */
}

/* ---- from state to state ---- */

void clients_move(struct clients *clients, struct client *client, enum client_state state)
{
    if (client->state == CLIENT_QUEUED)
        order_activate(&clients->order, &client->place);
    else
        list_remove(&clients->lists[client->state], &client->place.entry);
    client->state = (uint8_t)state;
    if (state == CLIENT_QUEUED)
        order_return(&clients->order, &client->place);
    else
        list_append(&clients->lists[state], &client->place.entry);
    if (state == CLIENT_RUNNING)
        list_remove(&clients->arrivals, &client->arrival);
}

void clients_end(struct clients *clients, struct client *client, enum client_end end)
{
    if (client->descriptor >= 0)
        release(client->descriptor);
    if (client->state != CLIENT_RUNNING)
        list_remove(&clients->arrivals, &client->arrival);
    if (client->state != CLIENT_QUEUED)
        list_remove(&clients->lists[client->state], &client->place.entry);
    order_leave(&clients->order, &client->place, client->state == CLIENT_QUEUED);
    clients->ended[end]++;
    client->place.entry.ticket = 0; /* no ticket is 0: it cannot be found any more */
    slab_return(&clients->records, client, client->handle);
}

void clients_turn_away(struct clients *clients, enum client_end end)
{
    clients->accepted++;
    clients->last_ticket++;
    clients->ended[end]++;
}

/* ---- walks ---- */

static struct client *of_arrival(struct list_entry *entry)
{
    return (struct client *)(void *)((char *)entry - offsetof(struct client, arrival));
}

/* Finds the first waiting client from `entry` on.  Starting clients are skipped: they are never
 * more than the dispatchers can take. */
static struct client *waiting_from(const struct clients *clients, struct list_entry *entry,
                                   bool backwards)
{
    while (entry != NULL && of_arrival(entry)->state != CLIENT_QUEUED)
        entry = backwards ? list_previous(&clients->arrivals, entry)
                          : list_next(&clients->arrivals, entry);
    return entry == NULL ? NULL : of_arrival(entry);
}

struct client *clients_first(const struct clients *clients, enum client_state state)
{
    if (state == CLIENT_QUEUED)
        return waiting_from(clients, list_first(&clients->arrivals), false);
    return (struct client *)list_first(&clients->lists[state]); /* its first member's first */
}

struct client *clients_next(const struct clients *clients, const struct client *client)
{
    if (client->state == CLIENT_QUEUED)
        return waiting_from(clients, list_next(&clients->arrivals, &client->arrival), false);
    return (struct client *)list_next(&clients->lists[client->state], &client->place.entry);
}

struct client *clients_newest(const struct clients *clients)
{
    return waiting_from(clients, list_last(&clients->arrivals), true);
}

struct client *clients_before(const struct clients *clients, const struct client *client)
{
    return waiting_from(clients, list_previous(&clients->arrivals, &client->arrival), true);
}

/* ---- counts ---- */

uint32_t clients_count(const struct clients *clients, enum client_state state)
{
    if (state == CLIENT_QUEUED)
        return clients->arrivals.length - clients->lists[CLIENT_STARTING].length;
    return clients->lists[state].length;
}

uint32_t clients_active(const struct clients *clients)
{
    return clients->lists[CLIENT_STARTING].length + clients->lists[CLIENT_RUNNING].length;
}

bool clients_add_up(const struct clients *clients)
{
    uint64_t sum = 0;

    for (int state = 0; state < CLIENT_STATES; state++)
        sum += clients_count(clients, (enum client_state)state);
    for (int end = 0; end < CLIENT_ENDS; end++)
        sum += clients->ended[end];
    return sum == clients->accepted;
}
