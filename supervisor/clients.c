#include "supervisor/clients.h"

#include <stdlib.h>
#include <unistd.h>

enum { CHUNK = 256 };

void clients_open(struct clients *clients)
{
    *clients = (struct clients){0};
    for (int state = 0; state < CLIENT_STATES; state++)
        queue_open(&clients->lists[state]);
}

static struct client *client_of(struct queue_entry *entry)
{
    return (struct client *)entry; /* its first member */
}

static void put_unused(struct clients *clients, struct client *client)
{
    client->entry.next = clients->unused == NULL ? NULL : &clients->unused->entry;
    client->entry.ticket = 0; /* no ticket is 0: clients_find() will not find it */
    clients->unused = client;
}

int clients_reserve(struct clients *clients)
{
    size_t count = clients->chunk_count;
    struct client **chunks;

    if (clients->unused != NULL)
        return 0;
    chunks = realloc(clients->chunks, (count + 1) * sizeof(struct client *));
    if (chunks == NULL)
        return -1;
    clients->chunks = chunks;
    chunks[count] = calloc(CHUNK, sizeof(struct client));
    if (chunks[count] == NULL)
        return -1;
    clients->chunk_count++;
    for (size_t i = CHUNK; i-- > 0;) {
        chunks[count][i].handle = (uint32_t)(count * CHUNK + i);
        put_unused(clients, &chunks[count][i]);
    }
    return 0;
}

/* Gives back what a burst took, when the last of it has gone. */
static void remove_chunks(struct clients *clients)
{
    while (clients->chunk_count > 0)
        free(clients->chunks[--clients->chunk_count]);
    clients->unused = NULL;
}

static bool is_empty(const struct clients *clients)
{
    for (int state = 0; state < CLIENT_STATES; state++)
        if (clients->lists[state].length > 0)
            return false;
    return true;
}

struct client *clients_accept(struct clients *clients, int descriptor,
                              const struct endpoint *remote, uint64_t now)
{
    struct client *client = clients->unused;
    struct queue_entry *rest = client->entry.next;

    clients->unused = rest == NULL ? NULL : client_of(rest);
    *client = (struct client){
        .entry.ticket = ++clients->accepted,
        .accepted = now,
        .remote = *remote,
        .handle = client->handle,
        .descriptor = descriptor,
        .state = CLIENT_QUEUED,
    };
    queue_append(&clients->lists[CLIENT_QUEUED], &client->entry);
    return client;
}

struct client *clients_find(const struct clients *clients, uint32_t handle, uint64_t ticket)
{
    struct client *client;

    if (handle / CHUNK >= clients->chunk_count)
        return NULL;
    client = &clients->chunks[handle / CHUNK][handle % CHUNK];
    return ticket != 0 && client->entry.ticket == ticket ? client : NULL;
}

void clients_move(struct clients *clients, struct client *client, enum client_state state)
{
    queue_remove(&clients->lists[client->state], &client->entry);
    client->state = (uint8_t)state;
    if (state == CLIENT_QUEUED)
        queue_return(&clients->lists[state], &client->entry);
    else
        queue_append(&clients->lists[state], &client->entry);
}

void clients_end(struct clients *clients, struct client *client, enum client_end end)
{
    if (client->descriptor >= 0)
        (void)close(client->descriptor); /* nothing of ours is buffered in it */
    client->descriptor = -1;
    queue_remove(&clients->lists[client->state], &client->entry);
    clients->ended[end]++;
    put_unused(clients, client);
    if (clients->chunk_count > 1 && is_empty(clients))
        remove_chunks(clients);
}

struct client *clients_first(const struct clients *clients, enum client_state state)
{
    struct queue_entry *entry = queue_first(&clients->lists[state]);

    return entry == NULL ? NULL : client_of(entry);
}

struct client *clients_next(const struct clients *clients, const struct client *client)
{
    struct queue_entry *entry = queue_next(&clients->lists[client->state], &client->entry);

    return entry == NULL ? NULL : client_of(entry);
}

uint32_t clients_count(const struct clients *clients, enum client_state state)
{
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
        sum += clients->lists[state].length;
    for (int end = 0; end < CLIENT_ENDS; end++)
        sum += clients->ended[end];
    return sum == clients->accepted;
}
