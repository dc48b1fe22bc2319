#include "supervisor/takeover/handover_clients.h"

#include "dispatcher/shared/release.h"
#include "supervisor/takeover/inheritance.h"

static struct clients *all(const struct handover_clients *clients)
{
    return &clients->queue->clients;
}

/* ---- sending them ---- */

void handover_clients_begin(struct handover_clients *clients)
{
    clients->queued = false;
    clients->next = clients_first(all(clients), CLIENT_RUNNING);
}

bool handover_clients_left(struct handover_clients *clients)
{
    if (clients->next == NULL && !clients->queued) {
        clients->queued = true;
        clients->next = clients_first(all(clients), CLIENT_QUEUED);
    }
    return clients->next != NULL;
}

int handover_clients_send(struct handover_clients *clients, int socket)
{
    struct client *client = clients->next;
    union inheritance message;
    int descriptors[INHERITANCE_BATCH];

    inheritance_begin(&message, clients->queued ? INHERITANCE_QUEUED : INHERITANCE_RUNNING);
    while (client != NULL && message.header.count < INHERITANCE_BATCH) {
        descriptors[message.header.count] = client->descriptor;
        message.clients.list[message.header.count++] = (struct inheritance_client){
            .ticket = clients_ticket(client),
            .accepted = client->accepted,
            .started = client->started,
            .remote = client->remote,
        };
        client = clients_next(all(clients), client);
    }
    if (inheritance_send(socket, &message, descriptors) != 0)
        return -1;
    clients->next = client;
    return 0;
}

void handover_clients_end(struct handover_clients *clients)
{
    struct client *client;

    while ((client = clients_first(all(clients), CLIENT_QUEUED)) != NULL) {
        queue_unwatch(clients->queue, client);
        release(client->descriptor); /* the new process may have served it, and closed it first */
        client->descriptor = -1;
        clients_end(all(clients), client, CLIENT_HANDED_OVER);
    }
}

/* ---- the ends of their handlers ---- */

void handover_clients_owe(struct handover_clients *clients, struct client *client,
                          const int *status)
{
    client->owed = true;
    client->reaped = status != NULL;
    client->status = status == NULL ? 0 : *status;
    client->process = 0; /* another process may get this number */
    client->dispatcher = CLIENT_FOREIGN;
    clients->owed++;
}

static int report(const struct client *client, int socket)
{
    union inheritance message;

    inheritance_begin(&message, INHERITANCE_ENDED);
    message.ended.ticket = clients_ticket(client);
    message.ended.status = client->status;
    message.ended.known = client->reaped;
    return inheritance_send(socket, &message, NULL);
}

int handover_clients_report(struct handover_clients *clients, int socket)
{
    struct client *next;

    for (struct client *client = clients_first(all(clients), CLIENT_RUNNING);
         client != NULL && clients->owed > 0; client = next) {
        next = clients_next(all(clients), client);
        if (!client->owed)
            continue;
        if (socket >= 0 && report(client, socket) != 0)
            return -1;
        clients_end(all(clients), client, CLIENT_SERVED);
        clients->owed--;
    }
    return 0;
}
