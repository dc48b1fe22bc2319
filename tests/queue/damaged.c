/*
 * Tests clients.h with books in which a supervisor has written what cannot be: such records are
 * forgotten, and all others are found.
 */
#include "supervisor/queue/clients.h"

#include "tests/shared/check.h"

enum { RECORDS = 20, OTHERS = 3 };

static const struct options options = {.per_source = UNLIMITED, .per_source_queue = UNLIMITED};
static const struct endpoint remote = {.family = AF_INET};
static struct clients clients;
static struct clients_books *books;

static struct client *enter(void)
{
    CHECK(clients_reserve(&clients) == 0);
    return clients_accept(&clients, -1, &remote, 0);
}

/* Opens the books as the next supervisor does.  Fails unless there are so many clients. */
static void find_again(uint32_t count)
{
    clients_close(&clients);
    clients_check(books, RECORDS);
    CHECK(clients_disarm(books, 1000) == CLIENT_NONE);
    clients_sort_descriptors(books);
    CHECK(clients_open(&clients, books, &options) == 0);
    CHECK(clients_add_up(&clients) && clients.accepted == count);
    CHECK(clients_count(&clients, CLIENT_QUEUED) == count && clients.taken == count);
}

static void check_records(void)
{
    struct client *wrong = enter();

    wrong->state = CLIENT_STATES;
    find_again(OTHERS);
    wrong = enter();
    wrong->state = UINT8_MAX;
    find_again(OTHERS);
    wrong = enter();
    wrong->state = CLIENT_ENDING;
    wrong->end = CLIENT_ENDS;
    wrong->ended_after = 1;
    find_again(OTHERS);
    wrong = enter();
    wrong->place.entry.ticket = 0;
    find_again(OTHERS);
}

static void check_sizes(void)
{
    books->used = UINT32_MAX;
    books->most = UINT32_MAX;
    find_again(OTHERS);
    CHECK(books->used == RECORDS && books->most == RECORDS);
    for (unsigned i = OTHERS; i < RECORDS; i++)
        (void)enter();
    CHECK(clients_reserve(&clients) != 0);
    find_again(RECORDS);
}

int main(void)
{
    books = clients_make_books(RECORDS);
    CHECK(books != NULL && clients_open(&clients, books, &options) == 0);
    for (unsigned i = 0; i < OTHERS; i++)
        (void)enter();
    check_records();
    check_sizes();
    clients_close(&clients);
    return CHECK_RESULT();
}
