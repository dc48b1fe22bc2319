/*
 * Clients whose handler alone cannot be started: who is closed, who is tried again, and when.
 */
#include "supervisor/running/aside.h"

#include "tests/shared/check.h"

#include <errno.h>

enum { MILLISECOND = 1000, RECORDS = 2000, AT_ONCE = 256 };

static const struct options options = {.per_source = UNLIMITED, .per_source_queue = UNLIMITED};
static const struct endpoint remote;
static struct clients clients;
static struct aside aside;
static uint64_t now;

static void begin(void)
{
    struct clients_books *books = clients_make_books(RECORDS);

    CHECK(books != NULL && clients_open(&clients, books, &options) == 0);
    aside = (struct aside){0};
    now = 1;
}

static void end(void)
{
    clients_close(&clients);
}

static struct client *enter(void)
{
    CHECK(clients_reserve(&clients) == 0);
    return clients_accept(&clients, -1, &remote, now);
}

/* Tries the client whose turn it is, in vain.  Returns true if it was closed. */
static bool fail(struct client *expected)
{
    struct client *client = clients_next_turn(&clients);
    bool closed;

    CHECK(client == expected);
    clients_move(&clients, client, CLIENT_STARTING);
    closed = aside_failed(&aside, &clients, client, now);
    if (closed)
        clients_end(&clients, client, CLIENT_DROPPED);
    else
        clients_step_aside(&clients, client);
    return closed;
}

static void succeed(struct client *expected)
{
    CHECK(clients_next_turn(&clients) == expected);
    clients_move(&clients, expected, CLIENT_STARTING);
    clients_move(&clients, expected, CLIENT_RUNNING);
    aside_started(&aside, now);
    clients_end(&clients, expected, CLIENT_SERVED);
}

static void pass(uint64_t milliseconds)
{
    now += milliseconds * MILLISECOND;
    aside_advance(&aside, &clients, now);
}

static void check_errors(void)
{
    static const int everybody[] = {ENOMEM, EAGAIN, ENOENT, EACCES, ENOEXEC, EPERM, EMFILE, EIO};

    CHECK(aside_concerns(E2BIG));
    for (size_t i = 0; i < sizeof(everybody) / sizeof(*everybody); i++)
        CHECK(!aside_concerns(everybody[i]));
}

/* Three failures, 100 ms apart, while others are started. */
static void check_closed(void)
{
    struct client *failing;

    begin();
    failing = enter();
    for (int i = 0; i < 3; i++)
        (void)enter();
    CHECK(!fail(failing) && clients_next_turn(&clients) != failing);
    succeed(clients_next_turn(&clients));
    pass(99);
    CHECK(clients_next_turn(&clients) != failing);
    pass(1);
    CHECK(!fail(failing));
    CHECK(aside_deadline(&aside, now) == now + 100 * (uint64_t)MILLISECOND);
    succeed(clients_next_turn(&clients));
    pass(100);
    CHECK(aside_deadline(&aside, now) == 0);
    CHECK(fail(failing));
    succeed(clients_next_turn(&clients));
    CHECK(clients_next_turn(&clients) == NULL && clients_add_up(&clients));
    end();
}

/* Nobody is closed while no handler can be started.  The pauses double up to 5 s. */
static void check_alone(void)
{
    static const uint64_t pauses[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000};
    struct client *failing;
    struct client *other;

    begin();
    failing = enter();
    for (size_t i = 0; i < sizeof(pauses) / sizeof(*pauses); i++) {
        CHECK(!fail(failing));
        pass(pauses[i] - 1);
        CHECK(clients_next_turn(&clients) == NULL);
        pass(1);
    }
    CHECK(!fail(failing));
    other = enter();
    succeed(other); /* it comes at once, and so does the other one then */
    pass(0);
    CHECK(fail(failing));
    end();
}

/* All fail, and once that is over, all are started in the order of arrival. */
static void check_everybody(void)
{
    struct client *all[5];

    begin();
    for (int i = 0; i < 4; i++)
        all[i] = enter();
    for (uint64_t pause = 100; pause <= 400; pause *= 2) {
        for (int i = 0; i < 4; i++)
            CHECK(!fail(all[i]));
        CHECK(clients_next_turn(&clients) == NULL);
        pass(pause);
    }
    all[4] = enter();
    for (int i = 0; i < 5; i++)
        succeed(all[i]);
    end();
}

/* Many that fail cannot hide one that would not, and are tried slowly. */
static void check_many(void)
{
    enum { MANY = 3 * AT_ONCE + 1 };
    struct client *all[MANY];
    struct client *last;
    unsigned pause = 100;

    begin();
    for (int i = 0; i < MANY; i++)
        all[i] = enter();
    last = enter();
    for (int i = 0; i < MANY; i++) {
        bool held = aside_holds(&aside, now);

        CHECK(held == (i > 0 && i % AT_ONCE == 0));
        if (held) {
            pass(pause);
            pause *= 2;
        }
        CHECK(!fail(all[i]));
    }
    succeed(last);
    CHECK(!aside_holds(&aside, now));
    pass(0);
    for (int i = 0; i < MANY; i++)
        CHECK(clients_next_turn(&clients) == all[i] && (fail(all[i]), true));
    end();
}

int main(void)
{
    check_errors();
    check_closed();
    check_alone();
    check_everybody();
    check_many();
    return CHECK_RESULT();
}
