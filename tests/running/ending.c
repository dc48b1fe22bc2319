/*
 * Tests the end of adopted handlers when one process has several clients: a worker whose dispatcher
 * and supervisors were killed before they could say that its earlier clients have ended.  And the
 * end of a client as a dispatcher reports it.
 */
#include "supervisor/running/running.h"

#include "tests/shared/check.h"

#include <signal.h>

#include <sys/socket.h>

enum { WORKER = 4711, OTHER = WORKER + RUNNING_ADOPTED /* in the same list */, RECORDS = 10 };

static struct options options = {
    .per_source = UNLIMITED, .per_source_queue = UNLIMITED, .persistent = true};
static struct loop loop;
static struct queue queue;
static struct pool pool;
static struct strays strays;
static struct running running;
static unsigned asked;
static unsigned begun;
static unsigned known;   /* ends with a status */
static unsigned unknown; /* ends without */

static bool adopt(void *context, pid_t process, uint32_t mark)
{
    (void)context;
    CHECK(mark != 0 && (process == WORKER || process == OTHER));
    asked++;
    return true;
}

static void started(void *context, const struct client *client)
{
    (void)context;
    CHECK(client->process == WORKER || client->process == OTHER);
    begun++;
}

static void ended(void *context, const struct client *client, const int *status,
                  const struct usage *usage)
{
    (void)context;
    (void)usage;
    CHECK(client->process == WORKER || client->process == OTHER);
    *(status == NULL ? &unknown : &known) += 1;
}

static bool await_group(void *context, pid_t process)
{
    (void)context;
    CHECK(process == OTHER);
    asked++;
    return true;
}

static bool send_signal(void *context, pid_t process, int signal_number)
{
    (void)context;
    CHECK(process == OTHER && signal_number == SIGTERM);
    return true;
}

static bool may_end(void *context, struct client *client, const int *status)
{
    (void)context;
    (void)client;
    (void)status;
    return true;
}

/* Returns the ticket of a client whose handler is to be adopted. */
static uint64_t enter(int32_t process)
{
    struct clients *clients = &queue.clients;
    struct client *client;

    CHECK(clients_reserve(clients) == 0);
    client = clients_accept(clients, -1, &(struct endpoint){.family = AF_INET}, 0);
    clients_move(clients, client, CLIENT_STARTING);
    client->dispatcher = CLIENT_ADOPTED;
    client->process = process;
    clients_move(clients, client, CLIENT_RUNNING);
    return clients_ticket(client);
}

/* Returns a client whose handler was sent SIGTERM, and whose dispatcher lives. */
static struct client *enter_signalled(void)
{
    struct client *client;

    (void)enter(OTHER);
    client = clients_first(&queue.clients, CLIENT_RUNNING);
    client->dispatcher = 0;
    client->signal = SIGTERM;
    return client;
}

/* Says that the handler of a client has ended, or that its worker has finished the client. */
static bool report_exited(const struct client *client, struct message_exited message)
{
    message.header.client = client->handle;
    message.header.ticket = clients_ticket(client);
    return ending_exited(&running, 0, &message);
}

static uint32_t left(void)
{
    return clients_count(&queue.clients, CLIENT_RUNNING);
}

int main(void)
{
    const struct running_events events = {.adopt = adopt,
                                          .await_group = await_group,
                                          .signal = send_signal,
                                          .started = started,
                                          .ended = ended,
                                          .may_end = may_end};
    const int status = 0;
    struct client *client;
    uint64_t tickets[4];

    CHECK(loop_open(&loop) == 0);
    CHECK(clients_open(&queue.clients, clients_make_books(RECORDS), &options) == 0);
    queue.options = &options;
    CHECK(running_open(&running, &loop, &options, &queue, &pool, &strays, &events) == 0);
    for (int i = 0; i < 4; i++)
        tickets[i] = enter(i == 1 ? OTHER : WORKER);
    ending_recall(&running);
    CHECK(asked == 4 && left() == 4);
    CHECK(begun == 4); /* their starts were not counted: the supervisor was killed before */

    /* The keeper knows nothing of the process, and says so to each question. */
    ending_reaped(&running, WORKER, (uint32_t)tickets[2], NULL, NULL);
    CHECK(unknown == 1 && left() == 3);
    ending_reaped(&running, WORKER, (uint32_t)tickets[2], NULL, NULL);
    ending_reaped(&running, WORKER, (uint32_t)tickets[1], NULL, NULL);
    CHECK(unknown == 1 && left() == 3);

    /* The keeper has reaped it: that is said once. */
    ending_reaped(&running, WORKER, 0, &status, NULL);
    CHECK(known == 2 && left() == 1);
    ending_reaped(&running, WORKER, 0, &status, NULL);
    CHECK(known == 2 && left() == 1);
    ending_reaped(&running, OTHER, 0, &status, NULL);
    CHECK(known == 3 && left() == 0);

    /* A message that contradicts itself ends no client. */
    client = enter_signalled();
    CHECK(!report_exited(client, (struct message_exited){.finished = 2}));
    CHECK(!report_exited(client, (struct message_exited){.finished = 1, .status = 1}));
    CHECK(!report_exited(client, (struct message_exited){.finished = 1, .leftovers = 1}));
    options.persistent = false;
    CHECK(!report_exited(client, (struct message_exited){.finished = 1}));
    options.persistent = true;
    CHECK(known == 3 && left() == 1);

    /* No signal follows to the group of a worker that has, or may have, the next client. */
    CHECK(report_exited(client, (struct message_exited){.finished = 1}));
    CHECK(known == 4 && asked == 4 && left() == 0);
    ending_unknown(&running, enter_signalled());
    CHECK(unknown == 2 && asked == 4 && left() == 0);

    /* It does to the group of a handler. */
    CHECK(report_exited(enter_signalled(), (struct message_exited){.finished = 0}));
    CHECK(known == 5 && asked == 5 && left() == 1);
    ending_group_empty(&running, OTHER);
    options.persistent = false;
    ending_unknown(&running, enter_signalled());
    CHECK(unknown == 3 && asked == 6 && left() == 1);
    return CHECK_RESULT();
}
