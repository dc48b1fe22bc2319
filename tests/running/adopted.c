/*
 * Tests the ends of adopted handlers: if the end of a process was missed and another got its
 * number, both clients end with the second one.
 */
#include "supervisor/running/running.h"

#include "tests/shared/check.h"

#include <signal.h>

enum { RECORDS = 8, PROCESS = 77 };

static const struct options options = {.per_source = UNLIMITED, .per_source_queue = UNLIMITED};
static const struct endpoint remote = {.family = AF_INET};
static struct loop loop;
static struct queue queue;
static struct pool pool;
static struct strays strays;
static struct running running;
static unsigned ended;

static bool adopt(void *context, pid_t process, uint32_t mark)
{
    (void)context;
    (void)process;
    (void)mark;
    return true;
}

static bool await_group(void *context, pid_t group)
{
    (void)context;
    (void)group;
    return true;
}

static bool send_signal(void *context, pid_t group, int signal_number)
{
    (void)context;
    (void)group;
    (void)signal_number;
    return true;
}

static void on_ended(void *context, const struct client *client, const int *status,
                     const struct usage *usage)
{
    (void)context;
    (void)client;
    (void)status;
    (void)usage;
    ended++;
}

static bool may_end(void *context, struct client *client, const int *status)
{
    (void)context;
    (void)client;
    (void)status;
    return true;
}

static uint32_t count(void)
{
    return clients_count(&queue.clients, CLIENT_RUNNING);
}

static struct client *enter(int32_t process)
{
    struct client *client;

    CHECK(clients_reserve(&queue.clients) == 0);
    client = clients_accept(&queue.clients, -1, &remote, 0);
    clients_move(&queue.clients, client, CLIENT_STARTING);
    client->process = process;
    client->dispatcher = CLIENT_ADOPTED;
    clients_move(&queue.clients, client, CLIENT_RUNNING);
    ending_begin(&running, client);
    return client;
}

static void check_reaped(void)
{
    const int status = 0;
    const struct usage usage = {0};

    (void)enter(PROCESS);
    (void)enter(PROCESS + 1);
    (void)enter(PROCESS);
    ending_reaped(&running, PROCESS, 0, &status, &usage);
    CHECK(ended == 2 && count() == 1);
    ending_reaped(&running, PROCESS + 1, 0, &status, &usage);
    CHECK(ended == 3 && count() == 0);
}

/* The keeper has no such child: that concerns the client that it was asked about. */
static void check_unknown(void)
{
    const struct client *first = enter(PROCESS);
    uint32_t mark = (uint32_t)clients_ticket(first);

    (void)enter(PROCESS);
    ended = 0;
    ending_reaped(&running, PROCESS, mark, NULL, NULL);
    CHECK(ended == 1 && count() == 1);
    ending_reaped(&running, PROCESS, mark, NULL, NULL);
    CHECK(ended == 1 && count() == 1);
    ending_reaped(&running, PROCESS, mark + 1, NULL, NULL);
    CHECK(ended == 2 && count() == 0);
}

static void check_groups(void)
{
    const int status = 0;
    const struct usage usage = {0};

    running.signal = SIGTERM; /* their groups are awaited */
    (void)enter(PROCESS);
    (void)enter(PROCESS);
    ending_reaped(&running, PROCESS, 0, &status, &usage);
    CHECK(count() == 2);
    ending_group_empty(&running, PROCESS);
    CHECK(count() == 0);
}

int main(void)
{
    const struct running_events events = {.adopt = adopt,
                                          .signal = send_signal,
                                          .await_group = await_group,
                                          .ended = on_ended,
                                          .may_end = may_end};
    struct clients_books *books = clients_make_books(RECORDS);

    CHECK(loop_open(&loop) == 0 && books != NULL);
    CHECK(clients_open(&queue.clients, books, &options) == 0);
    CHECK(running_open(&running, &loop, &options, &queue, &pool, &strays, &events) == 0);
    check_reaped();
    check_unknown();
    check_groups();
    CHECK(clients_add_up(&queue.clients));
    return CHECK_RESULT();
}
