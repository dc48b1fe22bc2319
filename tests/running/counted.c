/*
 * Tests that the start and the end of a handler are counted once each, in all figures, when the
 * supervisor is killed after any instruction: the next one hears of both again.
 *
 * A child works with books and report.  It is stepped through each operation.  After each
 * instruction, a copy is given to the next supervisor, which completes what was begun.
 */
#include "supervisor/figures/report.h"
#include "supervisor/running/running.h"

#include "tests/shared/check.h"
#include "tests/shared/step.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { PROCESS = 4711, RECORDS = 4, WAITED = 5000, RAN = 70000 };

static struct options options = {.per_source = UNLIMITED, .per_source_queue = UNLIMITED};
static const int status = 0;
static struct pool pool;
static struct strays strays;

/* What outlives the supervisor. */
struct lasting {
    struct clients_books *books;
    struct report *report;
};

/* A supervisor. */
static struct supervisor {
    struct loop loop;
    struct queue queue;
    struct running running;
    struct report *report;
} first, second;

static struct lasting lasting; /* of the first one */
static struct lasting copy;    /* of the second one */

/* ---- what running/ reports, as server/ counts it ---- */

static struct report_client described(const struct client *client)
{
    return (struct report_client){.ticket = clients_ticket(client),
                                  .remote = &client->remote,
                                  .counted = client->end_counted};
}

static void on_started(void *context, const struct client *client)
{
    const struct supervisor *supervisor = context;
    const struct report_client reported = described(client);

    report_started(supervisor->report, &reported, client->started - client->accepted, 0);
}

static void on_ended(void *context, const struct client *client, const int *known,
                     const struct usage *usage)
{
    const struct supervisor *supervisor = context;
    const struct report_client reported = described(client);

    report_ended(supervisor->report, &reported, supervisor->loop.now - client->started, known,
                 usage);
}

static bool may_end(void *context, struct client *client, const int *known)
{
    (void)context;
    (void)client;
    (void)known;
    return true;
}

static bool adopt(void *context, pid_t process, uint32_t mark)
{
    (void)context;
    return process == PROCESS && mark != 0;
}

static bool await_group(void *context, pid_t process)
{
    (void)context;
    return process == PROCESS;
}

static bool send_signal(void *context, pid_t process, int signal_number)
{
    (void)context;
    return process == PROCESS && signal_number == SIGTERM;
}

static bool open_supervisor(struct supervisor *supervisor, const struct lasting *from)
{
    const struct running_events events = {.started = on_started,
                                          .ended = on_ended,
                                          .may_end = may_end,
                                          .adopt = adopt,
                                          .await_group = await_group,
                                          .signal = send_signal,
                                          .context = supervisor};
    struct loop *loop = &supervisor->loop;

    supervisor->report = from->report;
    supervisor->queue.options = &options;
    if (loop_open(loop) != 0 ||
        clients_open(&supervisor->queue.clients, from->books, &options) != 0 ||
        running_open(&supervisor->running, loop, &options, &supervisor->queue, &pool, &strays,
                     &events) != 0)
        return false;
    report_open(from->report, loop, "cmd");
    ending_note_counted(&supervisor->running, from->report->waits.latest.ticket,
                        from->report->runs.latest.ticket);
    loop->now = WAITED + RAN;
    return true;
}

static void close_supervisor(struct supervisor *supervisor)
{
    clients_close(&supervisor->queue.clients);
    loop_close(&supervisor->loop);
}

/* ---- the operations ---- */

static struct client *subject;

static struct client *enter(struct supervisor *supervisor)
{
    struct clients *clients = &supervisor->queue.clients;
    struct client *client;

    CHECK(clients_reserve(clients) == 0);
    client = clients_accept(clients, -1, &(struct endpoint){.family = AF_INET}, 0);
    clients_move(clients, client, CLIENT_STARTING);
    client->started = WAITED;
    return client;
}

static void start(struct supervisor *supervisor, const struct client *client)
{
    const struct pool_events events = running_pool_events(&supervisor->running);

    supervisor->loop.now = WAITED;
    events.started(events.context, 0, client->handle, clients_ticket(client), PROCESS, 0);
    supervisor->loop.now = WAITED + RAN;
}

/* Another client is served. */
static void serve(struct supervisor *supervisor)
{
    struct client *client = enter(supervisor);

    start(supervisor, client);
    ending_foreign(&supervisor->running, client, &status);
}

static void act_start(void)
{
    start(&first, subject);
}

/* The answer to the start was lost with a supervisor before. */
static void act_lost(void)
{
    const struct pool_events events = running_pool_events(&first.running);

    events.lost(events.context, subject->handle, clients_ticket(subject), PROCESS);
}

static void act_end(void)
{
    const struct message_exited message = {
        .header = {.client = subject->handle, .ticket = clients_ticket(subject)}};

    CHECK(ending_exited(&first.running, 0, &message));
}

/* The rest of the group of a handler that has ended before. */
static void act_empty(void)
{
    ending_group_empty(&first.running, PROCESS);
}

/* ---- the next supervisor ---- */

/* The durations of a histogram, all counted as one and the same. */
static bool has(const struct histogram *histogram, uint64_t count, uint64_t duration)
{
    uint64_t counted = 0;

    for (int i = 0; i <= HISTOGRAM_BOUNDS; i++)
        counted += histogram->counts[i];
    for (uint64_t i = 0; i < count; i++)
        if (histogram->recent[i] != duration)
            return false;
    return counted == count && histogram->count == count && histogram->sum == count * duration;
}

static double exits(const struct report_counts *counts)
{
    double sum = 0;

    for (int i = 0; i < REPORT_EXITS; i++)
        sum += counts->exits[i];
    return sum;
}

/* Ends each client, without its status. */
static void end_all(struct supervisor *supervisor)
{
    struct clients *clients = &supervisor->queue.clients;
    struct client *client = clients_first(clients, CLIENT_STARTING);

    if (client != NULL)
        start(supervisor, client);
    ending_recall(&supervisor->running);
    serve(supervisor);
    client = clients_first(clients, CLIENT_RUNNING);
    if (client != NULL)
        ending_reaped(&supervisor->running, PROCESS, (uint32_t)clients_ticket(client), NULL, NULL);
    ending_group_empty(&supervisor->running, PROCESS);
}

static enum client_state ends_at; /* the state of a client with which the operation has happened */

/* Returns whether the operation has happened (1), or not (0), for the next supervisor; -1: the
 * figures do not add up at last. */
static int examine(void)
{
    const struct client *client;
    int behind;

    memcpy(copy.books, lasting.books, clients_books_size(RECORDS));
    *copy.report = *lasting.report;
    if (!open_supervisor(&second, &copy))
        return -1;
    client = clients_with_handle(&second.queue.clients, subject->handle);
    behind = (client == NULL ? CLIENT_NONE : client->state) == ends_at;
    end_all(&second);
    if (!has(&copy.report->waits, 3, WAITED) || !has(&copy.report->runs, 3, RAN) ||
        exits(&copy.report->counts) != 3 || copy.books->ended[CLIENT_SERVED] != 3 ||
        copy.books->unserved.count != 0 || !clients_add_up(&second.queue.clients))
        behind = -1;
    close_supervisor(&second);
    return behind;
}

static void check(void (*act)(void), enum client_state state, const char *name)
{
    lasting.books = clients_make_books(RECORDS);
    copy.books = clients_make_books(RECORDS);
    memset(lasting.report, 0, sizeof(*lasting.report));
    CHECK(open_supervisor(&first, &lasting));
    subject = enter(&first);
    if (act == act_end || act == act_empty)
        act_start();
    if (act == act_empty) {
        subject->signal = SIGTERM;
        act_end();
    }
    serve(&first);
    ends_at = state;
    step_through(act, examine, name);
    close_supervisor(&first);
    CHECK(munmap(lasting.books, clients_books_size(RECORDS)) == 0);
    CHECK(munmap(copy.books, clients_books_size(RECORDS)) == 0);
}

int main(void)
{
    if (!can_step())
        return 0;
    lasting.report = mmap(NULL, sizeof(struct report), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    copy.report = malloc(sizeof(struct report));
    CHECK(lasting.report != MAP_FAILED && copy.report != NULL);
    check(act_start, CLIENT_RUNNING, "a handler starts");
    check(act_lost, CLIENT_NONE, "a handler has started and ended");
    check(act_end, CLIENT_NONE, "a handler ends");
    check(act_empty, CLIENT_NONE, "nothing is left of a handler");
    free(copy.report);
    return CHECK_RESULT();
}
