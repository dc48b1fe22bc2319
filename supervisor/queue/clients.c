#include "supervisor/queue/clients.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/release.h"
#include "supervisor/base/loop.h"
#include "supervisor/base/stores.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { KEPT = 512 /* records whose memory is kept when no client is there */ };

static_assert(sizeof(struct client) == 128 || sizeof(void *) != 8,
              "a waiting client takes as much memory as the manual says");

/* ---- the books ---- */

struct clients_books *clients_make_books(uint32_t most)
{
    struct clients_books *books = mmap(NULL, clients_books_size(most), PROT_READ | PROT_WRITE,
                                       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (books == MAP_FAILED)
        return NULL;
    books->most = most;
    return books;
}

static struct client *take_record(struct clients *clients)
{
    struct clients_books *books = clients->books;
    uint32_t handle = clients->unused;

    clients->taken++;
    if (handle == CLIENTS_NONE)
        handle = books->used++;
    else
        clients->unused = books->records[handle].next_adopted;
    books->records[handle].handle = handle;
    return &books->records[handle];
}

static void add_unused(struct clients *clients, struct client *client)
{
    client->next_adopted = clients->unused;
    clients->unused = client->handle;
}

/* Gives memory back once no record is in use. */
static void forget_all(struct clients *clients)
{
    struct clients_books *books = clients->books;
    const uintptr_t page = 4096;
    uintptr_t first = ((uintptr_t)&books->records[KEPT] + page - 1) & ~(page - 1);
    uintptr_t last = (uintptr_t)&books->records[books->used];

    /* If this fails, the memory is only kept. */
    if (last > first)
        (void)madvise((void *)first, last - first, MADV_REMOVE);
    books->used = 0;
    clients->unused = CLIENTS_NONE;
}

static void return_record(struct clients *clients, struct client *client)
{
    client->place.entry.ticket = 0; /* no ticket is 0: it cannot be found any more */
    stores_settle();
    client->state = CLIENT_NONE;
    stores_settle();
    add_unused(clients, client);
    if (--clients->taken == 0 && clients->books->used > KEPT)
        forget_all(clients);
}

/* Notes how the client, which is in no list any more, is about to end, and how long it waited in
 * vain.  A client that is handed over waits on elsewhere. */
static void note_end(struct clients_books *books, struct client *client, enum client_end end)
{
    if ((client->state == CLIENT_QUEUED || client->state == CLIENT_STARTING) &&
        end != CLIENT_SERVED && end != CLIENT_HANDED_OVER)
        histogram_note(&books->unserved, clients_ticket(client), loop_clock() - client->accepted);
    client->end = (uint8_t)end;
    client->ended_after = books->ended[end] + 1;
    stores_settle();
    client->state = CLIENT_ENDING;
    stores_settle();
}

/* Stores values and no increments: doing it twice does no harm. */
static void count_end(struct clients_books *books, const struct client *client)
{
    if (books->unserved.latest.ticket == clients_ticket(client))
        histogram_store(&books->unserved);
    books->ended[client->end] = client->ended_after;
    stores_settle();
}

void clients_check(struct clients_books *books, uint32_t most)
{
    books->most = most;
    books->used = books->used < most ? books->used : most;
    for (uint32_t i = 0; i < books->used; i++) {
        struct client *client = &books->records[i];
        bool possible = client->state == CLIENT_ENDING ? client->end < CLIENT_ENDS
                                                       : clients_ticket(client) != 0;

        if (client->state == CLIENT_NONE || (client->state <= CLIENT_ENDING && possible))
            continue;
        log_error("the record of ticket %" PRIu64 " is damaged: its client gets another one",
                  clients_ticket(client));
        client->state = CLIENT_NONE;
    }
}

enum client_state clients_disarm(struct clients_books *books, uint64_t ticket)
{
    for (uint32_t i = 0; i < books->used; i++) {
        struct client *client = &books->records[i];
        const enum client_state state = (enum client_state)client->state;

        if (state == CLIENT_NONE || clients_ticket(client) != ticket)
            continue;
        if (state == CLIENT_QUEUED)
            note_end(books, client, CLIENT_DROPPED);
        else
            client->remote = (struct endpoint){0};
        return state;
    }
    return CLIENT_NONE;
}

void clients_sort_descriptors(struct clients_books *books)
{
    for (uint32_t i = 0; i < books->used; i++) {
        struct client *client = &books->records[i];

        if (client->state == CLIENT_NONE || client->descriptor < 0)
            continue;
        if (client->state == CLIENT_ENDING)
            release(client->descriptor); /* if it is closed already, nobody else has the number */
        if (fcntl(client->descriptor, F_GETFD) < 0)
            client->descriptor = -1;
    }
}

static int by_ticket(const void *one, const void *other)
{
    uint64_t first = clients_ticket(*(struct client *const *)one);
    uint64_t second = clients_ticket(*(struct client *const *)other);

    return (first > second) - (first < second);
}

/* Enters the client into the lists of its state. */
static void enter(struct clients *clients, struct client *client)
{
    order_join(&clients->order, &client->place, &client->remote);
    list_append(&clients->arrivals, &client->arrival);
    if (client->state == CLIENT_QUEUED)
        return;
    order_activate(&clients->order, &client->place);
    list_append(&clients->lists[client->state], &client->place.entry);
    if (client->state != CLIENT_RUNNING)
        return;
    list_remove(&clients->arrivals, &client->arrival);
    clients->kept += client->descriptor >= 0;
}

/* Finds the clients, and completes what was cut off.  Returns how many there are. */
static uint32_t collect(struct clients *clients, struct client **found)
{
    struct clients_books *books = clients->books;
    uint32_t count = 0;

    for (uint32_t i = books->used; i-- > 0;) {
        struct client *client = &books->records[i];

        client->handle = i; /* it may have been taken and no more */
        if (client->state == CLIENT_ENDING) {
            count_end(books, client);
            client->state = CLIENT_NONE;
        }
        if (client->state == CLIENT_NONE) {
            client->place.entry.ticket = 0;
            add_unused(clients, client);
        } else {
            found[count++] = client;
        }
    }
    stores_settle();
    books->unserved.latest.ticket = 0; /* if it is not stored by now, its client has not ended */
    return count;
}

static int recover(struct clients *clients)
{
    struct clients_books *books = clients->books;
    struct client **found = malloc((books->used + 1) * sizeof(struct client *));
    int result = 0;

    if (found == NULL)
        return -1;
    clients->taken = collect(clients, found);
    qsort(found, clients->taken, sizeof(struct client *), by_ticket);
    for (uint32_t i = 0; i < clients->taken && result == 0; i++) {
        found[i]->watched = false;
        found[i]->asked = false;
        found[i]->listed = false;
        found[i]->aside = false;
        clients_deal_with(clients, clients_ticket(found[i]));
        result = order_reserve(&clients->order);
        if (result == 0)
            enter(clients, found[i]);
    }
    clients_rest(clients);
    clients->accepted = clients->taken;
    for (int end = 0; end < CLIENT_ENDS; end++)
        clients->accepted += books->ended[end];
    free(found);
    return result;
}

int clients_open(struct clients *clients, struct clients_books *books,
                 const struct options *options)
{
    *clients = (struct clients){.books = books, .unused = CLIENTS_NONE};
    for (int state = 0; state < CLIENT_STATES; state++)
        list_open(&clients->lists[state]);
    list_open(&clients->arrivals);
    return order_open(&clients->order, options) != 0 ? -1 : recover(clients);
}

void clients_close(struct clients *clients)
{
    order_close(&clients->order);
}

int clients_reserve(struct clients *clients)
{
    clients_deal_with(clients, clients->books->last_ticket + 1);
    errno = ENOMEM;
    return clients->unused != CLIENTS_NONE || clients->books->used < clients->books->most
               ? order_reserve(&clients->order)
               : -1;
}

/* ---- entering and ending ---- */

struct client *clients_accept(struct clients *clients, int descriptor,
                              const struct endpoint *remote, uint64_t now)
{
    return clients_inherit(clients, ++clients->books->last_ticket, descriptor, remote, now);
}

/* Fills in a new record, which the caller gives a state. */
static struct client *add(struct clients *clients, uint64_t ticket, int descriptor,
                          const struct endpoint *remote, uint64_t accepted)
{
    struct client *client = take_record(clients);

    clients_deal_with(clients, ticket);
    *client = (struct client){
        .place.entry.ticket = ticket,
        .arrival.ticket = ticket,
        .accepted = accepted,
        .remote = *remote,
        .handle = client->handle,
        .descriptor = descriptor,
    };
    return client;
}

struct client *clients_inherit(struct clients *clients, uint64_t ticket, int descriptor,
                               const struct endpoint *remote, uint64_t accepted)
{
    struct client *client = add(clients, ticket, descriptor, remote, accepted);

    stores_settle();
    client->state = CLIENT_QUEUED;
    stores_settle();
    clients->accepted++;
    enter(clients, client);
    clients_rest(clients);
    return client;
}

void clients_turn_away(struct clients *clients, int descriptor, const struct endpoint *remote,
                       enum client_end end)
{
    struct client *client =
        add(clients, ++clients->books->last_ticket, descriptor, remote, 0 /* it never waits */);

    note_end(clients->books, client, end);
    clients->accepted++;
    clients_finish_end(clients, client);
}

struct client *clients_with_handle(const struct clients *clients, uint32_t handle)
{
    struct client *client = &clients->books->records[handle];

    return handle < clients->books->used && clients_ticket(client) != 0 ? client : NULL;
}

struct client *clients_find(const struct clients *clients, uint32_t handle, uint64_t ticket)
{
    struct client *client = clients_with_handle(clients, handle);

    if (client == NULL || clients_ticket(client) != ticket)
        return NULL;
    clients_deal_with(clients, ticket);
    return client;
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
    clients_deal_with(clients, clients_ticket(client));
    if (client->state == CLIENT_QUEUED)
        order_activate(&clients->order, &client->place);
    else
        list_remove(&clients->lists[client->state], &client->place.entry);
    stores_settle();
    client->state = (uint8_t)state;
    stores_settle();
    if (state == CLIENT_QUEUED)
        order_return(&clients->order, &client->place);
    else
        list_append(&clients->lists[state], &client->place.entry);
    if (state != CLIENT_RUNNING)
        return;
    list_remove(&clients->arrivals, &client->arrival);
    clients->kept += client->descriptor >= 0;
    clients->books->started++;
}

void clients_part(struct clients *clients, struct client *client)
{
    clients->kept -= client->descriptor >= 0;
    stores_settle();
    client->descriptor = -1;
}

void clients_step_aside(struct clients *clients, struct client *client)
{
    clients->books->working = clients_ticket(client);
    list_remove(&clients->lists[CLIENT_STARTING], &client->place.entry);
    client->aside = true;
    stores_settle();
    client->state = CLIENT_QUEUED;
    stores_settle();
    order_step_aside(&clients->order, &client->place);
}

void clients_rejoin(struct clients *clients)
{
    struct client *client;

    while ((client = (struct client *)order_last_aside(&clients->order)) != NULL) {
        client->aside = false;
        order_rejoin(&clients->order, &client->place);
    }
}

unsigned clients_fail(const struct clients *clients, struct client *client)
{
    const uint16_t started = (uint16_t)clients->books->started;

    if (client->failures == 0)
        client->failed_after = started;
    stores_settle();
    if (client->failures < UINT8_MAX)
        client->failures++;
    return client->failed_after == started ? 0 : client->failures;
}

static enum order_standing standing_of(const struct client *client)
{
    if (client->state != CLIENT_QUEUED)
        return ORDER_ACTIVE;
    return client->aside ? ORDER_ASIDE : ORDER_WAITING;
}

void clients_begin_end(struct clients *clients, struct client *client, enum client_end end)
{
    const enum client_state state = (enum client_state)client->state;
    const enum order_standing standing = standing_of(client);

    clients_deal_with(clients, clients_ticket(client));
    if (state != CLIENT_RUNNING)
        list_remove(&clients->arrivals, &client->arrival);
    else
        clients->kept -= client->descriptor >= 0;
    if (state != CLIENT_QUEUED)
        list_remove(&clients->lists[state], &client->place.entry);
    order_leave(&clients->order, &client->place, standing);
    note_end(clients->books, client, end);
}

void clients_finish_end(struct clients *clients, struct client *client)
{
    if (client->descriptor >= 0)
        release(client->descriptor);
    count_end(clients->books, client);
    return_record(clients, client);
    clients_rest(clients);
}

void clients_end(struct clients *clients, struct client *client, enum client_end end)
{
    clients_begin_end(clients, client, end);
    clients_finish_end(clients, client);
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

uint32_t clients_aside(const struct clients *clients)
{
    return clients->order.aside.length;
}

uint32_t clients_active(const struct clients *clients)
{
    return clients->lists[CLIENT_STARTING].length + clients->lists[CLIENT_RUNNING].length;
}

bool clients_add_up(const struct clients *clients)
{
    uint64_t sum = 0;

    for (int state = CLIENT_QUEUED; state <= CLIENT_RUNNING; state++)
        sum += clients_count(clients, (enum client_state)state);
    for (int end = 0; end < CLIENT_ENDS; end++)
        sum += clients->books->ended[end];
    return sum == clients->accepted;
}
