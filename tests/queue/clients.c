/*
 * The books of clients and their queue: order, places kept, counts that add up, handles that are
 * not believed; first by hand, then by many random steps against a plain model.
 */
#include "supervisor/queue/clients.h"

#include "tests/shared/check.h"

#include <errno.h>
#include <stdlib.h>

enum { STEPS = 200000, MODEL_MAXIMUM = 3000, FEW = 2000 };

static struct clients clients;
static struct clients_books *books;
static const struct endpoint remote;

static struct client *enter(void)
{
    CHECK(clients_reserve(&clients) == 0);
    return clients_accept(&clients, -1, &remote, 0);
}

static uint64_t first_ticket(void)
{
    struct client *client = clients_first(&clients, CLIENT_QUEUED);

    return client == NULL ? 0 : clients_ticket(client);
}

static void check_order(void)
{
    struct client *first = enter();
    struct client *second = enter();
    struct client *third = enter();

    CHECK(clients_ticket(first) == 1 && clients_ticket(second) == 2 && clients_ticket(third) == 3);
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

/* Those who step aside wait, have no turn, and take their places again. */
static void check_aside(void)
{
    struct client *first = clients_first(&clients, CLIENT_QUEUED);
    struct client *second = clients_next(&clients, first);

    clients_move(&clients, first, CLIENT_STARTING);
    clients_step_aside(&clients, first);
    CHECK(clients_next_turn(&clients) == second && clients_first(&clients, CLIENT_QUEUED) == first);
    CHECK(clients_count(&clients, CLIENT_QUEUED) == 3 && clients_aside(&clients) == 1);
    clients_move(&clients, second, CLIENT_STARTING);
    clients_step_aside(&clients, second);
    clients_rejoin(&clients);
    CHECK(clients_next_turn(&clients) == first && clients_aside(&clients) == 0);
    CHECK(clients_next(&clients, first) == second && clients_add_up(&clients));
}

/* Failures count once another handler was started since the first of them. */
static void check_failed(void)
{
    struct client *failing = enter();
    struct client *other = enter();

    clients_move(&clients, failing, CLIENT_STARTING);
    CHECK(clients_fail(&clients, failing) == 0 && clients_fail(&clients, failing) == 0);
    clients_move(&clients, other, CLIENT_STARTING);
    clients_move(&clients, other, CLIENT_RUNNING);
    CHECK(clients_fail(&clients, failing) == 3);
    for (int i = 0; i < 300; i++)
        CHECK(clients_fail(&clients, failing) >= 3);
    clients_end(&clients, failing, CLIENT_DROPPED);
    clients_end(&clients, other, CLIENT_SERVED);
    failing = enter();
    clients_move(&clients, failing, CLIENT_STARTING);
    CHECK(clients_fail(&clients, failing) == 0); /* nothing is left in the record */
    clients_end(&clients, failing, CLIENT_DROPPED);
}

static void check_handles(void)
{
    struct client *client = clients_first(&clients, CLIENT_QUEUED);
    uint32_t handle = client->handle;
    uint64_t ticket = clients_ticket(client);

    CHECK(clients_find(&clients, handle, ticket) == client);
    CHECK(clients_find(&clients, handle, ticket + 1000) == NULL);
    CHECK(clients_find(&clients, UINT32_MAX, ticket) == NULL);
    CHECK(clients_find(&clients, handle, 0) == NULL);
    clients_end(&clients, client, CLIENT_SERVED);
    CHECK(clients_find(&clients, handle, ticket) == NULL);
    CHECK(clients_find(&clients, handle, 0) == NULL);
}

/* Only waits that end without a handler count, and only once. */
static void check_unserved(void)
{
    static const enum client_end ends[] = {CLIENT_SERVED, CLIENT_HANDED_OVER, CLIENT_ABANDONED,
                                           CLIENT_DROPPED, CLIENT_REFUSED_TIMEOUT};
    const uint64_t before = books->unserved.count;
    struct client *client;

    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
        clients_end(&clients, enter(), ends[i]);
        CHECK(books->unserved.count - before == (i < 2 ? 0 : i - 1));
    }
    CHECK(clients_reserve(&clients) == 0);
    clients_turn_away(&clients, -1, &remote, CLIENT_DENIED);
    client = enter();
    clients_move(&clients, client, CLIENT_STARTING);
    clients_move(&clients, client, CLIENT_RUNNING);
    clients_end(&clients, client, CLIENT_DROPPED);
    CHECK(books->unserved.count - before == 3);
    client = enter();
    clients_move(&clients, client, CLIENT_STARTING);
    clients_end(&clients, client, CLIENT_DROPPED);
    CHECK(books->unserved.count - before == 4);
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
    for (uint32_t i = 0; i < FEW; i++)
        (void)enter();
    CHECK(books->used == FEW && books->records[FEW - 1].handle == FEW - 1);
    end_all();
    CHECK(books->used == 0 && books->records[FEW - 1].handle == 0); /* the page is a new one */
}

static void check_full(void)
{
    struct client *last = NULL;

    for (uint32_t i = 0; i < MODEL_MAXIMUM; i++)
        last = enter();
    errno = 0;
    CHECK(clients_reserve(&clients) == -1 && errno == ENOMEM);
    clients_end(&clients, last, CLIENT_ABANDONED);
    CHECK(clients_reserve(&clients) == 0);
    end_all();
}

/* Along one of the ways that there are. */
static void move_on(struct client *client, int dice)
{
    if (client->state == CLIENT_QUEUED && client->aside)
        clients_rejoin(&clients);
    if (client->state == CLIENT_QUEUED)
        clients_move(&clients, client, CLIENT_STARTING);
    else if (client->state == CLIENT_STARTING && dice == 1)
        clients_step_aside(&clients, client);
    else if (client->state == CLIENT_STARTING)
        clients_move(&clients, client, dice == 0 ? CLIENT_QUEUED : CLIENT_RUNNING);
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
            move_on(model[at], rand() % 3);
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
        CHECK(next == NULL || clients_ticket(client) < clients_ticket(next));
        client = next;
    }
}

int main(void)
{
    static const struct options options = {.per_source = UNLIMITED, .per_source_queue = UNLIMITED};

    books = clients_make_books(MODEL_MAXIMUM);
    CHECK(books != NULL && clients_open(&clients, books, &options) == 0);
    check_order();
    check_aside();
    check_failed();
    check_handles();
    check_unserved();
    end_all();
    check_memory_is_given_back();
    check_full();
    check_random_steps();
    end_all();
    return CHECK_RESULT();
}
