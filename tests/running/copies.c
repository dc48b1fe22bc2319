/*
 * Tests what a supervisor makes of the connections that an earlier one has left open: FAILED has
 * brought one back, or one was in the packet of a dead dispatcher, or both.
 */
#include "supervisor/base/address.h"
#include "supervisor/running/running.h"

#include "tests/shared/check.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RECORDS = 4 };

static struct options options = {.per_source = UNLIMITED, .per_source_queue = UNLIMITED};
static struct loop loop;
static struct queue queue;
static struct pool pool;
static struct strays strays;
static struct running running;
static struct pool_events events;

static int ends[2]; /* the server's end and the client's */
static struct client *client;

static void on_returned(void *context)
{
    CHECK(context == &running);
}

static void begin(void)
{
    const struct running_events told = {.returned = on_returned, .context = &running};
    struct clients_books *books = clients_make_books(RECORDS);

    CHECK(books != NULL && loop_open(&loop) == 0);
    queue.options = &options;
    queue.signs.descriptor = -1;
    CHECK(clients_open(&queue.clients, books, &options) == 0 &&
          running_open(&running, &loop, &options, &queue, &pool, &strays, &told) == 0);
    events = running_pool_events(&running);
    pool.count = 1;
    pool.dispatchers[0].state = DISPATCHER_READY; /* of generation 0, as the client's */
}

/* A client that is starting; this process has no connection of it. */
static void enter(void)
{
    struct endpoint remote;

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    CHECK(address_of_remote(ends[0], &remote) == 0);
    CHECK(clients_reserve(&queue.clients) == 0);
    client = clients_accept(&queue.clients, -1, &remote, 0);
    clients_move(&queue.clients, client, CLIENT_STARTING);
    CHECK(strays.count == 0);
}

static int connection(void)
{
    return fcntl(ends[0], F_DUPFD_CLOEXEC, 0);
}

static void leave_stray(void)
{
    strays_add(&strays, connection());
}

static void say(bool copied)
{
    events.copied(events.context, client->handle, clients_ticket(client), copied);
}

static bool is_back(int descriptor)
{
    return events.held(events.context, client->handle, clients_ticket(client), descriptor);
}

/* Ends the client.  Nothing may be left of its connections. */
static void leave(void)
{
    char byte;

    CHECK(strays.count == 0 && !client->copied);
    clients_end(&queue.clients, client, CLIENT_DROPPED);
    (void)close(ends[0]);
    CHECK(recv(ends[1], &byte, 1, MSG_DONTWAIT) == 0); /* end of file: no copy is open */
    (void)close(ends[1]);
}

/* The dispatcher is dead, and its child has, or had, the connection. */
static void check_held(bool copied, unsigned left, bool packet, bool back)
{
    enter();
    if (copied)
        say(true);
    for (unsigned i = 0; i < left; i++)
        leave_stray();
    CHECK(is_back(packet ? connection() : -1) == back);
    CHECK(client->state == (back ? CLIENT_QUEUED : CLIENT_STARTING));
    CHECK((client->descriptor >= 0) == back);
    leave();
}

/* The client is being started elsewhere, by a dispatcher that lives. */
static void check_listed(void)
{
    enter();
    say(true);
    leave_stray();
    CHECK(running_recall(&running, CLIENT_DROPPED) == 0);
    events.listed(events.context, 0, client->handle, clients_ticket(client));
    CHECK(client->state == CLIENT_STARTING);
    leave();
}

static void check_waiting(void)
{
    enter();
    client->descriptor = connection();
    clients_move(&queue.clients, client, CLIENT_QUEUED);
    say(true);
    leave_stray();
    CHECK(running_recall(&running, CLIENT_DROPPED) == 0);
    CHECK(client->state == CLIENT_QUEUED);
    leave();
}

int main(void)
{
    begin();
    check_held(false, 0, false, false); /* a handler may run */
    check_held(false, 1, false, true);  /* FAILED's */
    check_held(true, 1, false, false);  /* out of the packet */
    check_held(true, 2, false, true);
    check_held(true, 0, true, false);
    check_held(true, 1, true, true);
    check_held(false, 0, true, false);
    check_listed();
    check_waiting();
    return CHECK_RESULT();
}
