/*
 * The books of clients and their queue: order, places kept, counts that add up, handles that are
 * not believed; first by hand, then by many random steps against a plain model.
 */
#include "supervisor/clients.h"

#include "tests/check.h"

#include <stdlib.h>
#include <string.h>

enum { STEPS = 200000, MODEL_MAXIMUM = 3000 };

static struct clients clients;
static const struct endpoint remote;

static struct client *enter(void)
{
    CHECK(clients_reserve(&clients) == 0);
    return clients_accept(&clients, -1, &remote, 0);
}

static uint64_t first_ticket(void)
{
    struct client *client = clients_first(&clients, CLIENT_QUEUED);

    return client == NULL ? 0 : client->entry.ticket;
}

static void check_order(void)
{
    struct client *first = enter();
    struct client *second = enter();
    struct client *third = enter();

    CHECK(first->entry.ticket == 1 && second->entry.ticket == 2 && third->entry.ticket == 3);
    CHECK(clients_first(&clients, CLIENT_QUEUED) == first);
    clients_move(&clients, first, CLIENT_STARTING);
    clients_move(&clients, second, CLIENT_STARTING);
    CHECK(first_ticket() == 3);
    /* Returned in the wrong order, they take their places by ticket. */
    clients_move(&clients, second, CLIENT_QUEUED);
    CHECK(first_ticket() == 2);
    clients_move(&clients, first, CLIENT_QUEUED);
    CHECK(first_ticket() == 1);
    CHECK(clients_next(&clients, first) == second && clients_next(&clients, second) == third);
    CHECK(clients_next(&clients, third) == NULL);
}

static void check_handles(void)
{
    struct client *client = clients_first(&clients, CLIENT_QUEUED);
    uint32_t handle = client->handle;
    uint64_t ticket = client->entry.ticket;

    CHECK(clients_find(&clients, handle, ticket) == client);
    CHECK(clients_find(&clients, handle, ticket + 1000) == NULL);
    CHECK(clients_find(&clients, UINT32_MAX, ticket) == NULL);
    CHECK(clients_find(&clients, handle, 0) == NULL);
    clients_end(&clients, client, CLIENT_SERVED);
    CHECK(clients_find(&clients, handle, ticket) == NULL);
    CHECK(clients_find(&clients, handle, 0) == NULL);
}

static void end_all(void)
{
    for (int state = 0; state < CLIENT_STATES; state++) {
        struct client *client;
        while ((client = clients_first(&clients, (enum client_state)state)) != NULL)
            clients_end(&clients, client, CLIENT_DROPPED);
    }
    CHECK(clients_add_up(&clients));
}

static void check_memory_is_given_back(void)
{
    for (int i = 0; i < 2000; i++)
        (void)enter();
    CHECK(clients.chunk_count > 1);
    end_all();
    CHECK(clients.chunk_count == 0);
}

static void check_random_steps(void)
{
    static struct client *model[MODEL_MAXIMUM];
    int count = 0;

    srand(1);
    for (int step = 0; step < STEPS; step++) {
        int at = count == 0 ? 0 : rand() % count;
        int dice = rand() % 5;

        if (count == 0 || (dice == 0 && count < MODEL_MAXIMUM)) {
            model[count++] = enter();
        } else if (dice < 4) {
            clients_move(&clients, model[at], (enum client_state)(rand() % CLIENT_STATES));
        } else {
            clients_end(&clients, model[at], (enum client_end)(rand() % CLIENT_ENDS));
            model[at] = model[--count];
        }
        CHECK(clients_add_up(&clients));
    }
    CHECK(clients_count(&clients, CLIENT_QUEUED) + clients_count(&clients, CLIENT_STARTING) +
              clients_count(&clients, CLIENT_RUNNING) ==
          (uint32_t)count);
    for (struct client *client = clients_first(&clients, CLIENT_QUEUED); client != NULL;) {
        struct client *next = clients_next(&clients, client);
        CHECK(next == NULL || client->entry.ticket < next->entry.ticket);
        client = next;
    }
}

int main(void)
{
    clients_open(&clients);
    check_order();
    check_handles();
    end_all();
    check_memory_is_given_back();
    check_random_steps();
    end_all();
    return CHECK_RESULT();
}
