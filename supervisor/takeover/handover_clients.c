#include "supervisor/takeover/handover_clients.h"

#include "dispatcher/shared/release.h"
#include "supervisor/takeover/handover_link.h"
#include "supervisor/takeover/handover_sockets.h"

enum { UNTAKEN_MOST = 4 };

/* The next clients of a state, as many as fit into a message; what is behind them is next. */
static void fill(struct server *server, union inheritance *message, int *descriptors)
{
    struct handover *handover = &server->handover;
    struct inheritance_clients *clients = &message->clients;

    while (handover->next != NULL && clients->header.count < INHERITANCE_BATCH) {
        const struct client *client = handover->next;

        descriptors[clients->header.count] = client->descriptor;
        clients->list[clients->header.count++] = (struct inheritance_client){
            .ticket = clients_ticket(client),
            .accepted = client->accepted,
            .started = client->started,
            .remote = client->remote,
        };
        handover->next = clients_next(&server->queue.clients, client);
    }
}

enum sending {
    SENDING_ON,
    SENDING_LATER, /* the next answer makes room */
    SENDING_FAILED /* no answer is to come */
};

static enum sending later(const struct handover *handover)
{
    return handover->untaken > 0 ? SENDING_LATER : SENDING_FAILED;
}

static enum sending send_some(struct server *server)
{
    struct handover *handover = &server->handover;
    struct client *first = handover->next;
    union inheritance message;
    int descriptors[INHERITANCE_BATCH];

    inheritance_begin(&message, handover->waiting_sent ? INHERITANCE_QUEUED : INHERITANCE_RUNNING);
    fill(server, &message, descriptors);
    if (handover_send(server, &message, descriptors) == 0) {
        handover->untaken++;
        return SENDING_ON;
    }
    handover->next = first;
    return later(handover);
}

static enum sending send_last(struct server *server)
{
    union inheritance message;

    inheritance_begin(&message, INHERITANCE_ALL);
    message.all.last_ticket = server->queue.clients.last_ticket;
    message.all.judged = server->queue.judged;
    message.all.paused = server->starting.paused;
    handover_sockets_lend(server);
    if (handover_send(server, &message, NULL) != 0)
        return later(&server->handover);
    server->handover.phase = HANDOVER_SENT;
    return SENDING_LATER;
}

bool handover_clients_send(struct server *server)
{
    struct handover *handover = &server->handover;
    enum sending sending = SENDING_ON;

    while (sending == SENDING_ON && handover->phase == HANDOVER_SENDING &&
           handover->untaken < UNTAKEN_MOST) {
        if (handover->next == NULL && !handover->waiting_sent) {
            handover->waiting_sent = true;
            handover->next = clients_first(&server->queue.clients, CLIENT_QUEUED);
        }
        sending = handover->next == NULL ? send_last(server) : send_some(server);
    }
    return sending != SENDING_FAILED;
}

bool handover_clients_begin(struct server *server)
{
    struct handover *handover = &server->handover;

    handover->phase = HANDOVER_SENDING;
    handover->waiting_sent = false;
    handover->next = clients_first(&server->queue.clients, CLIENT_RUNNING);
    return handover_clients_send(server);
}

void handover_clients_end(struct server *server)
{
    struct client *client;

    while ((client = clients_first(&server->queue.clients, CLIENT_QUEUED)) != NULL) {
        queue_unwatch(&server->queue, client);
        release(client->descriptor); /* the other one may have served it, and left the rest to us */
        client->descriptor = -1;
        clients_end(&server->queue.clients, client, CLIENT_HANDED_OVER);
    }
}
