/*
 * Tests clients.h when a supervisor is killed: the next one finds each client in one state, its
 * place and all counts, whichever store was the last one.
 *
 * A child works with the books.  It is stepped through each operation, and the books are examined
 * after each instruction.  Others are killed at random moments of long work.
 */
#include "supervisor/queue/clients.h"

#include "supervisor/base/stores.h"
#include "tests/shared/check.h"
#include "tests/shared/step.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    RECORDS = 200,
    LIVES = 300,
    LIFE_MOST = 2000, /* microseconds */
    TICKETS = 1 << 22
};

static const struct options options = {.per_source = UNLIMITED, .per_source_queue = UNLIMITED};
static const struct endpoint remote = {.family = AF_INET};
static struct clients clients;
static struct clients_books *books;

static void open_new(void)
{
    books = clients_make_books(RECORDS);
    CHECK(books != NULL && clients_open(&clients, books, &options) == 0);
}

static size_t books_size(void)
{
    return sizeof(*books) + books->most * sizeof(struct client);
}

static void close_all(void)
{
    clients_close(&clients);
    CHECK(munmap(books, books_size()) == 0);
}

static struct client *enter(int descriptor)
{
    CHECK(clients_reserve(&clients) == 0);
    return clients_accept(&clients, descriptor, &remote, 0);
}

static struct client *enter_in(enum client_state state)
{
    struct client *client = enter(-1);

    if (state != CLIENT_QUEUED)
        clients_move(&clients, client, CLIENT_STARTING);
    if (state == CLIENT_RUNNING)
        clients_move(&clients, client, CLIENT_RUNNING);
    return client;
}

/* Opens the books once more, as the next supervisor does. */
static void find_again(void)
{
    clients_close(&clients);
    clients_sort_descriptors(books);
    CHECK(clients_open(&clients, books, &options) == 0);
    CHECK(clients_add_up(&clients));
}

static bool waits_in_order(const struct clients *found)
{
    uint64_t last = 0;

    for (const struct client *client = clients_first(found, CLIENT_QUEUED); client != NULL;
         client = clients_next(found, client)) {
        if (clients_ticket(client) <= last)
            return false;
        last = clients_ticket(client);
    }
    return true;
}

/* ---- records by hand ---- */

static void check_each_state(void)
{
    uint64_t tickets[4];
    struct client *client;

    open_new();
    clients_end(&clients, enter(-1), CLIENT_DENIED); /* so that tickets and handles differ */
    for (int state = CLIENT_QUEUED; state <= CLIENT_RUNNING; state++)
        tickets[state] = clients_ticket(enter_in((enum client_state)state));
    (void)enter(-1);
    for (int round = 0; round < 2; round++) {
        find_again();
        CHECK(clients.accepted == 5 && books->ended[CLIENT_DENIED] == 1 && clients.taken == 4);
        for (int state = CLIENT_QUEUED; state <= CLIENT_RUNNING; state++) {
            CHECK(clients_count(&clients, (enum client_state)state) ==
                  (state == CLIENT_QUEUED ? 2 : 1));
            client = clients_first(&clients, (enum client_state)state);
            CHECK(client != NULL && clients_ticket(client) == tickets[state]);
            CHECK(client == clients_find(&clients, client->handle, tickets[state]));
        }
    }
    /* Each can go on, and gets back its place. */
    client = clients_first(&clients, CLIENT_STARTING);
    clients_move(&clients, client, CLIENT_QUEUED);
    CHECK(waits_in_order(&clients) && clients_count(&clients, CLIENT_QUEUED) == 3);
    CHECK(clients_next(&clients, clients_first(&clients, CLIENT_QUEUED)) == client);
    CHECK(clients_ticket(enter(-1)) == 6);
    clients_end(&clients, clients_first(&clients, CLIENT_RUNNING), CLIENT_SERVED);
    CHECK(clients_add_up(&clients));
    close_all();
}

/* The order of records is not that of arrival: freed ones are used again. */
static void check_places(void)
{
    struct client *all[20];

    open_new();
    for (unsigned i = 0; i < 20; i++)
        all[i] = enter(-1);
    for (unsigned i = 0; i < 10; i++)
        clients_end(&clients, all[i * 7 % 20], CLIENT_ABANDONED);
    for (unsigned i = 0; i < 10; i++)
        (void)enter(-1);
    find_again();
    CHECK(waits_in_order(&clients) && clients_count(&clients, CLIENT_QUEUED) == 20);
    CHECK(clients.accepted == 30 && books->used == 20);
    (void)enter(-1);
    CHECK(books->used == 21);
    close_all();
}

static bool is_open(int descriptor)
{
    return fcntl(descriptor, F_GETFD) >= 0;
}

/* Killed inside clients_end(), and then inside clients_open() as well. */
static void check_ending_twice(void)
{
    int ends[2];
    struct client *client;
    struct client *other;

    open_new();
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    client = enter(ends[1]);
    other = enter(-1);
    clients_end(&clients, other, CLIENT_REFUSED_QUEUE);
    client->end = CLIENT_REFUSED_QUEUE;
    client->ended_after = 2;
    client->state = CLIENT_ENDING;
    for (int round = 0; round < 3; round++) {
        find_again();
        CHECK(books->ended[CLIENT_REFUSED_QUEUE] == 2 && clients.accepted == 2);
        CHECK(clients.taken == 0 && client->state == CLIENT_NONE && !is_open(ends[1]));
        CHECK(clients_first(&clients, CLIENT_QUEUED) == NULL);
        CHECK(clients_find(&clients, client->handle, 1) == NULL);
        client->state = CLIENT_ENDING;
    }
    client->state = CLIENT_NONE;
    (void)close(ends[0]);
    close_all();
}

/* Killed when the wait was noted and the client had not ended yet: it is served later. */
static void check_noted_in_vain(void)
{
    struct client *client;

    open_new();
    client = enter(-1);
    histogram_note(&books->unserved, clients_ticket(client), 1);
    find_again();
    clients_move(&clients, client, CLIENT_STARTING);
    clients_move(&clients, client, CLIENT_RUNNING);
    clients_end(&clients, client, CLIENT_SERVED);
    CHECK(books->unserved.count == 0 && books->unserved.sum == 0);
    close_all();
}

/* A record that was taken and not entered yet, with what an earlier client left in it. */
static void check_taken(void)
{
    struct client *client;

    open_new();
    client = enter(-1);
    clients_end(&clients, client, CLIENT_SERVED);
    client->place.entry.ticket = 2;
    client->handle = 77;
    books->last_ticket = 2;
    find_again();
    CHECK(clients.accepted == 1 && clients.taken == 0);
    CHECK(clients_find(&clients, 0, 2) == NULL);
    client = enter(-1);
    CHECK(client->handle == 0 && clients_ticket(client) == 3);
    close_all();
}

/* A client that has failed twice, and stepped aside, is tried in its place, and fails a third time.
 */
static void check_failed(void)
{
    struct client *failing;

    open_new();
    failing = enter_in(CLIENT_STARTING);
    CHECK(clients_fail(&clients, failing) == 0);
    (void)enter_in(CLIENT_RUNNING);
    CHECK(clients_fail(&clients, failing) == 2);
    clients_step_aside(&clients, failing);
    (void)enter(-1);
    find_again();
    CHECK(clients_next_turn(&clients) == failing && clients_aside(&clients) == 0);
    clients_move(&clients, failing, CLIENT_STARTING);
    CHECK(clients_fail(&clients, failing) == 3);
    close_all();
}

/* Clients that were judged are not judged again. */
static void check_judged(void)
{
    open_new();
    (void)enter(-1);
    books->judged = 1;
    find_again();
    CHECK(books->judged == 1 && books->last_ticket == 1);
    close_all();
}

/* ---- every instruction ---- */

/* One client of each kind, and the one that the operation is about. */
static struct client *subject;
static enum client_state before;
static int operation; /* enum client_state: a move; ENTER; beyond: an end */

enum { ENTER = CLIENT_STATES, END };

static bool aside; /* the move to CLIENT_QUEUED is a step aside */

static void act(void)
{
    if (operation == ENTER)
        (void)clients_accept(&clients, -1, &remote, 0);
    else if (operation >= END)
        clients_end(&clients, subject, (enum client_end)(operation - END));
    else if (aside)
        clients_step_aside(&clients, subject);
    else
        clients_move(&clients, subject, (enum client_state)operation);
}

/* Whether the durations in the histogram and its counts agree, while it has few. */
static bool is_whole(const struct histogram *histogram)
{
    uint64_t count = 0;
    uint64_t sum = 0;

    for (int i = 0; i <= HISTOGRAM_BOUNDS; i++)
        count += histogram->counts[i];
    for (uint64_t i = 0; i < histogram->count && i < HISTOGRAM_RECENT; i++)
        sum += histogram->recent[i];
    return count == histogram->count && sum == histogram->sum;
}

/* Copies of the books: as they were before the operation, and as the next supervisor finds them. */
static struct clients_books *old;
static struct clients_books *copy;
static uint64_t subject_ticket; /* of the client that the operation is about */

static struct client *find(const struct clients *found)
{
    for (int state = CLIENT_QUEUED; state <= CLIENT_RUNNING; state++)
        for (struct client *each = clients_first(found, (enum client_state)state); each != NULL;
             each = clients_next(found, each))
            if (clients_ticket(each) == subject_ticket)
                return each;
    return NULL;
}

/* The next supervisor ends a client that has not ended: counts are those of one end. */
static bool ends_once(struct clients *found, struct client *client)
{
    const int end = operation - END;
    const bool in_vain = before != CLIENT_RUNNING;

    if (client != NULL && client->started != before)
        return false; /* how long its handler has run */
    if (client != NULL && copy->ended[end] != old->ended[end])
        return false;
    if (client != NULL)
        clients_end(found, client, (enum client_end)end);
    return copy->ended[end] == old->ended[end] + 1 &&
           copy->unserved.count == old->unserved.count + in_vain && is_whole(&copy->unserved);
}

/* Returns whether a copy of the books shows the client before the operation (0), or behind it (1);
 * -1: neither. */
static int examine(void)
{
    struct clients found;
    struct client *client;
    int behind = -1;

    memcpy(copy, books, books_size());
    if (clients_open(&found, copy, &options) != 0)
        return -1;
    client = find(&found);
    if (operation == ENTER)
        behind = client != NULL;
    else if (operation >= END)
        behind = client == NULL;
    else if (client != NULL && (client->state == before || client->state == operation))
        behind = client->state == operation;
    /* The others are where they were. */
    if (!clients_add_up(&found) || !waits_in_order(&found) ||
        found.accepted != (operation == ENTER && behind == 1 ? 8 : 7) ||
        copy->last_ticket < found.accepted || (operation >= END && !ends_once(&found, client)))
        behind = -1;
    clients_close(&found);
    return behind;
}

static void check_operation(enum client_state from, int what)
{
    char name[64];

    open_new();
    before = from;
    operation = what;
    (void)enter_in(CLIENT_QUEUED);
    (void)enter_in(CLIENT_STARTING);
    (void)enter_in(CLIENT_RUNNING);
    clients_end(&clients, enter(-1), CLIENT_SERVED); /* leaves a record that was used */
    clients_end(&clients, enter(-1), CLIENT_ABANDONED);
    subject = enter_in(from == CLIENT_NONE ? CLIENT_QUEUED : from);
    subject->started = from;
    (void)enter_in(CLIENT_QUEUED);
    CHECK(clients_reserve(&clients) == 0);
    subject_ticket = what == ENTER ? 8 : clients_ticket(subject);
    old = malloc(books_size());
    copy = malloc(books_size());
    if (old == NULL || copy == NULL)
        abort();
    memcpy(old, books, books_size());
    (void)snprintf(name, sizeof(name), "operation %d from state %d", what, from);
    step_through(act, examine, name);
    free(old);
    free(copy);
    close_all();
}

static void check_each_instruction(void)
{
    if (!can_step())
        return;
    check_operation(CLIENT_NONE, ENTER);
    check_operation(CLIENT_QUEUED, CLIENT_STARTING);
    for (int i = 0; i < 2; i++) {
        aside = i == 1;
        check_operation(CLIENT_STARTING, CLIENT_QUEUED);
    }
    aside = false;
    check_operation(CLIENT_STARTING, CLIENT_RUNNING);
    for (int state = CLIENT_QUEUED; state <= CLIENT_RUNNING; state++)
        check_operation((enum client_state)state, END + CLIENT_DROPPED);
}

/* ---- random moments ---- */

/* In memory that all lives share: what the present one does, and what was done. */
static struct diary {
    uint64_t ticket; /* 0: nothing is under way */
    uint8_t from;
    uint8_t to; /* CLIENT_NONE: it ends */
    uint64_t entered;
    uint64_t ended[CLIENT_ENDS];
    uint64_t count_under_way; /* enum client_end, plus 1 */
    uint8_t states[TICKETS];
} * diary;

static void note(uint64_t ticket, enum client_state from, enum client_state to)
{
    diary->from = (uint8_t)from;
    diary->to = (uint8_t)to;
    stores_settle();
    diary->ticket = ticket;
    stores_settle();
}

static void done(void)
{
    stores_settle();
    diary->states[diary->ticket] = diary->to;
    stores_settle();
    diary->ticket = 0;
    stores_settle();
}

/* Works until it is killed. */
static _Noreturn void work(unsigned seed)
{
    srand(seed);
    for (;;) {
        int dice = rand() % 8;
        enum client_state state = (enum client_state)(CLIENT_QUEUED + rand() % 3);
        struct client *client = clients_first(&clients, state);

        if (dice < 4 && clients.taken < RECORDS && books->last_ticket < TICKETS - 2) {
            note(books->last_ticket + 1, CLIENT_NONE, CLIENT_QUEUED);
            (void)enter(-1);
            stores_settle();
            diary->entered++;
        } else if (client == NULL) {
            continue;
        } else if (dice < 7 && state != CLIENT_RUNNING) {
            enum client_state to = state == CLIENT_QUEUED ? CLIENT_STARTING
                                   : dice == 6            ? CLIENT_QUEUED
                                                          : CLIENT_RUNNING;

            note(clients_ticket(client), state, to);
            clients_move(&clients, client, to);
        } else {
            enum client_end end = (enum client_end)(rand() % CLIENT_ENDS);

            diary->count_under_way = (uint64_t)end + 1;
            note(clients_ticket(client), state, CLIENT_NONE);
            clients_end(&clients, client, end);
            stores_settle();
            diary->ended[end]++;
            stores_settle();
            diary->count_under_way = 0;
        }
        done();
    }
}

/* Compares what is found with the diary, and closes the entry that was cut off. */
static void compare(void)
{
    static uint8_t found[TICKETS];
    const size_t tickets = (size_t)books->last_ticket + 1;
    uint64_t ticket = diary->ticket;
    uint64_t ended = 0;
    uint64_t noted = 0;

    memset(found, CLIENT_NONE, tickets);
    for (int state = CLIENT_QUEUED; state <= CLIENT_RUNNING; state++)
        for (const struct client *each = clients_first(&clients, (enum client_state)state);
             each != NULL; each = clients_next(&clients, each)) {
            CHECK(found[clients_ticket(each)] == CLIENT_NONE);
            found[clients_ticket(each)] = each->state;
        }
    if (ticket != 0) {
        CHECK(found[ticket] == diary->from || found[ticket] == diary->to);
        diary->states[ticket] = found[ticket];
    }
    CHECK(memcmp(found, diary->states, tickets) == 0);
    for (int end = 0; end < CLIENT_ENDS; end++) {
        uint64_t more = books->ended[end] - diary->ended[end];

        CHECK(more == 0 || (more == 1 && diary->count_under_way == (uint64_t)end + 1));
        diary->ended[end] = books->ended[end];
        ended += books->ended[end];
    }
    for (uint64_t i = 1; i <= books->last_ticket; i++)
        noted += found[i] != CLIENT_NONE;
    CHECK(ended + noted == clients.accepted);
    CHECK(clients.accepted == diary->entered || clients.accepted == diary->entered + 1);
    diary->entered = clients.accepted;
    diary->ticket = diary->count_under_way = 0;
}

static void check_random_moments(void)
{
    open_new();
    diary = mmap(NULL, sizeof(*diary), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(diary != MAP_FAILED);
    srand(1);
    for (unsigned life = 0; life < LIVES && check_failures == 0; life++) {
        pid_t child = fork();

        if (child == 0)
            work(life);
        (void)usleep((useconds_t)(rand() % LIFE_MOST));
        CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
        find_again();
        CHECK(waits_in_order(&clients));
        compare();
    }
    CHECK(check_failures > 0 || diary->entered > 10 * (uint64_t)RECORDS); /* they have worked */
    close_all();
    (void)munmap(diary, sizeof(*diary));
}

int main(void)
{
    check_each_state();
    check_places();
    check_ending_twice();
    check_noted_in_vain();
    check_taken();
    check_judged();
    check_failed();
    check_each_instruction();
    check_random_moments();
    return CHECK_RESULT();
}
