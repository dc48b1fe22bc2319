#include "supervisor/takeover/handover_link.h"

#include "supervisor/server/state.h"

#include <unistd.h>

enum { REPORT_AGAIN = 100 * LOOP_MILLISECOND };

int handover_send(struct server *server, const union inheritance *message, const int *descriptors)
{
    return inheritance_send(server->handover.source.descriptor, message, descriptors);
}

void handover_close(struct server *server)
{
    struct handover *handover = &server->handover;

    if (handover->source.descriptor < 0)
        return;
    loop_ignore(&server->loop, &handover->source);
    (void)close(handover->source.descriptor); /* what was sent can still be read */
    handover->source.descriptor = -1;
}

bool handover_holds_starts(const struct server *server)
{
    return server->handover.phase >= HANDOVER_SETTLING;
}

bool handover_holds_clients(const struct server *server)
{
    return server->handover.phase >= HANDOVER_SENDING;
}

bool handover_is_over(const struct server *server)
{
    const struct handover *handover = &server->handover;

    if (handover->phase != HANDOVER_DONE)
        return true;
    /* A manager that did not know of the other one would take our end for that of the service. */
    return (handover->settled || handover->source.descriptor < 0) &&
           !notify_is_open(&server->notify);
}

/* ---- whose handler has ended ---- */

void handover_forget_owed(struct server *server)
{
    struct client *next;

    for (struct client *client = clients_first(&server->queue.clients, CLIENT_RUNNING);
         client != NULL; client = next) {
        next = clients_next(&server->queue.clients, client);
        if (client->owed)
            clients_end(&server->queue.clients, client, CLIENT_SERVED);
    }
    server->handover.owed = 0;
}

static int report_end(struct server *server, const struct client *client)
{
    union inheritance message;

    inheritance_begin(&message, INHERITANCE_ENDED);
    message.ended.ticket = clients_ticket(client);
    message.ended.status = client->status;
    message.ended.known = client->reaped;
    return handover_send(server, &message, NULL);
}

void handover_report_owed(struct server *server)
{
    struct handover *handover = &server->handover;
    struct client *next;

    for (struct client *client = clients_first(&server->queue.clients, CLIENT_RUNNING);
         client != NULL && handover->owed > 0; client = next) {
        next = clients_next(&server->queue.clients, client);
        if (!client->owed)
            continue;
        if (report_end(server, client) != 0) {
            handover->deadline.deadline = server->loop.now + REPORT_AGAIN;
            return;
        }
        clients_end(&server->queue.clients, client, CLIENT_SERVED);
        handover->owed--;
    }
}

void handover_leave(struct server *server)
{
    struct handover *handover = &server->handover;
    union inheritance message;

    if (handover->phase != HANDOVER_DONE || handover->left || notify_is_open(&server->notify))
        return;
    inheritance_begin(&message, INHERITANCE_LEFT);
    (void)handover_send(server, &message, NULL); /* the end of this process says the same */
    handover->left = true;
}

bool handover_ended(struct server *server, struct client *client, const int *status)
{
    struct handover *handover = &server->handover;

    /* Before RUNNING is sent, and once nobody is left to tell, it is nobody else's. */
    if (handover->phase < HANDOVER_SENDING || handover->source.descriptor < 0)
        return true;
    client->owed = true;
    client->reaped = status != NULL;
    client->status = status == NULL ? 0 : *status;
    client->process = 0; /* whose number may be another one's from now on */
    client->dispatcher = CLIENT_FOREIGN;
    handover->owed++;
    /* Not now: who calls may be about to look at another one that is owed, and forgotten then. */
    if (handover->phase == HANDOVER_DONE && handover->deadline.deadline == 0)
        handover->deadline.deadline = server->loop.now;
    return false;
}
