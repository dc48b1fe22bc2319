/*
 * The dispatchers as the supervisor sees them: each START is answered once, in whatever state its
 * dispatcher dies; only the reports on the present dispatcher count; and the keeper is asked for
 * what the pool cannot do.
 *
 * Speaks for the dispatchers and for the keeper.
 */
#include "supervisor/pool/pool.h"

#include "dispatcher/shared/log.h"
#include "tests/pool/ends.h"
#include "tests/shared/check.h"

#include <errno.h>
#include <string.h>

enum { DISPATCHERS = 3, CLIENTS = 3 * PROTOCOL_SLOTS, KILLED = 9, STARTED_HERE = 1000 };

static struct loop loop;
static struct pool pool;
static struct pool_books books;
static int others[DISPATCHERS]; /* the dispatchers' ends */
static uint32_t generations[DISPATCHERS];

/* ---- what the pool reports and asks ---- */

enum fate { NOTHING, STARTED, FAILED, RETURNED };

/* By clients, which have tickets 100 above them. */
static struct {
    enum fate fate;
    bool delivered;
    unsigned dispatcher;
    int32_t process;
    int descriptor;
} fates[CLIENTS];

static unsigned gone;
static struct {
    unsigned count;
    unsigned index;
    uint32_t generation;
    bool give_way;
} killed;
static int32_t signalled[CLIENTS]; /* processes */
static unsigned signal_count;

static void enter(void *context, enum fate fate, uint32_t client, uint64_t ticket, int descriptor)
{
    CHECK(context == &pool && client < CLIENTS && ticket == 100 + client);
    CHECK(fates[client].fate == NOTHING); /* it is told once */
    fates[client].fate = fate;
    fates[client].descriptor = descriptor;
}

static void on_delivered(void *context, uint32_t client, uint64_t ticket)
{
    CHECK(context == &pool && client < CLIENTS && ticket == 100 + client);
    CHECK(!fates[client].delivered && fates[client].fate == NOTHING);
    fates[client].delivered = true;
}

static void on_started(void *context, unsigned dispatcher, uint32_t client, uint64_t ticket,
                       int32_t process, uint32_t age)
{
    (void)age;
    enter(context, STARTED, client, ticket, -1);
    fates[client].dispatcher = dispatcher;
    fates[client].process = process;
}

static void on_failed(void *context, uint32_t client, uint64_t ticket, int error, int descriptor)
{
    CHECK(error == ENOENT);
    enter(context, FAILED, client, ticket, descriptor);
}

static void on_returned(void *context, uint32_t client, uint64_t ticket, int descriptor)
{
    enter(context, RETURNED, client, ticket, descriptor);
}

static bool on_exited(void *context, unsigned dispatcher, const struct message_exited *message)
{
    CHECK(context == &pool && dispatcher < DISPATCHERS);
    return message->header.ticket == 7;
}

static void on_gone(void *context, unsigned dispatcher)
{
    CHECK(context == &pool && dispatcher < DISPATCHERS);
    CHECK(pool.dispatchers[dispatcher].state == DISPATCHER_ABSENT);
    gone++;
}

static void on_kill(void *context, unsigned dispatcher, uint32_t generation, bool give_way)
{
    CHECK(context == &pool && dispatcher < DISPATCHERS);
    killed.count++;
    killed.index = dispatcher;
    killed.generation = generation;
    killed.give_way = give_way;
}

static bool on_signal(void *context, int32_t process, int signal_number)
{
    CHECK(context == &pool && signal_number == 15);
    signalled[signal_count++] = process;
    return true;
}

static bool on_held(void *context, uint32_t client, uint64_t ticket, int descriptor)
{
    CHECK(context == &pool && client < CLIENTS && ticket == 100 + client);
    if (descriptor >= 0)
        (void)close(descriptor);
    return false;
}

static unsigned announced; /* clients whose connection is about to be received */

static void on_copied(void *context, uint32_t client, uint64_t ticket, bool copied)
{
    if (copied)
        announced |= 1u << client;
    CHECK(context == &pool && client < CLIENTS && ticket == 100 + client);
}

static const struct pool_events events = {.delivered = on_delivered,
                                          .started = on_started,
                                          .held = on_held,
                                          .copied = on_copied,
                                          .failed = on_failed,
                                          .returned = on_returned,
                                          .exited = on_exited,
                                          .gone = on_gone,
                                          .kill = on_kill,
                                          .signal = on_signal,
                                          .context = &pool};

/* ---- the keeper ---- */

static void come(unsigned index)
{
    int descriptors[CHANNEL_DESCRIPTORS];

    others[index] = ends_open(descriptors);
    pool_begin(&pool, index, ++generations[index], 500 + (pid_t)index, descriptors);
}

static void go(unsigned index)
{
    (void)close(others[index]);
    pool_died(&pool, index, generations[index], KILLED);
}

/* ---- a dispatcher ---- */

static void say(unsigned index, enum message_type type, uint64_t ticket)
{
    union message message;

    wire_header(&message, type, ticket >= 100 ? (uint32_t)ticket - 100 : 0, ticket);
    if (type == MESSAGE_STARTED)
        message.started.process = STARTED_HERE + (int32_t)ticket - 100;
    if (type == MESSAGE_FAILED)
        message.failed.error = ENOENT;
    CHECK(wire_send(others[index], &message, (const int[]){STDIN_FILENO}, 0) == 0);
}

static void be_ready(unsigned index)
{
    say(index, MESSAGE_READY, 0);
    dispatcher_hear(&pool.dispatchers[index]);
    CHECK(pool.dispatchers[index].state == DISPATCHER_READY);
}

/* Takes one packet off the socket, as a dispatcher that has cloned all of its handlers; returns the
 * number of STARTs. */
static unsigned consume(unsigned index)
{
    struct wire_inbox inbox = {0};
    union message message;
    unsigned count = 0;
    int descriptor;

    do {
        if (wire_receive(&inbox, others[index], ~0u, &message, &descriptor, MSG_DONTWAIT) !=
            WIRE_MESSAGE)
            return count;
        count += message.header.type == MESSAGE_START;
        if (descriptor >= 0)
            (void)close(descriptor);
    } while (wire_is_left(&inbox));
    return count;
}

/* The kernel writes what it cloned. */
static void clone_in(unsigned index, uint32_t client)
{
    const struct starts *starts = &pool.dispatchers[index].channel.starts;

    for (unsigned i = 0; i < PROTOCOL_SLOTS; i++)
        if (starts->slots[i].used && starts->slots[i].client == client)
            starts->ledger->slots[i].process = STARTED_HERE + (int32_t)client;
}

/* ---- the supervisor ---- */

static bool give(uint32_t client)
{
    union message message;

    wire_header(&message, MESSAGE_START, client, 100 + client);
    return pool_start(&pool, &message, STDIN_FILENO);
}

static void begin(unsigned count)
{
    memset(&pool, 0, sizeof(pool));
    memset(&books, 0, sizeof(books));
    memset(fates, 0, sizeof(fates));
    memset(&killed, 0, sizeof(killed));
    gone = signal_count = 0;
    CHECK(loop_open(&loop) == 0);
    pool_open(&pool, &loop, &books, count, RLIM_INFINITY, &events);
    for (unsigned i = 0; i < count; i++) {
        come(i);
        be_ready(i);
    }
    CHECK(pool_await(&pool) == 0 && pool_ready(&pool) == count);
    CHECK(pool_room(&pool) == count * PROTOCOL_SLOTS);
}

static void finish(void)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        if (fates[i].fate != NOTHING && fates[i].descriptor >= 0)
            (void)close(fates[i].descriptor);
    pool_close(&pool);
    for (unsigned i = 0; i < pool.count; i++)
        (void)close(others[i]);
    CHECK(pool.left == NULL && pool_ready(&pool) == 0);
    loop_close(&loop);
}

/* Gives four clients to the only dispatcher, which clones the first and the second, has answered
 * for the third, and has not seen the fourth. */
static void give_four(void)
{
    for (uint32_t i = 0; i < 3; i++)
        CHECK(give(i));
    CHECK(pool_flush(&pool) == 0 && consume(0) == 3);
    clone_in(0, 0);
    clone_in(0, 1);
    clone_in(0, 2);
    CHECK(give(3) && pool_flush(&pool) == 0);
    say(0, MESSAGE_STARTED, 102);
}

/* Each of four has one answer: that it was heard of, the ledger's, and none. */
static void expect_four(void)
{
    CHECK(pool.dispatchers[0].state == DISPATCHER_ABSENT && gone == 1 && pool.left == NULL);
    for (uint32_t i = 0; i < 3; i++)
        CHECK(fates[i].fate == STARTED && fates[i].process == STARTED_HERE + (int32_t)i &&
              fates[i].dispatcher == (i == 2 ? 0 : POOL_ORPHANED));
    CHECK(fates[3].fate == RETURNED && fates[3].descriptor >= 0);
    CHECK(pool_room(&pool) == 0);
}

/* ---- deaths ---- */

static void check_death_ready(void)
{
    begin(1);
    give_four();
    go(0);
    expect_four();
    CHECK(killed.count == 0);
    come(0);
    be_ready(0);
    CHECK(pool_room(&pool) == PROTOCOL_SLOTS);
    finish();
}

/* It has said what it must not say, was to be killed, and what it says then counts for nothing. */
static void check_death_ending(void)
{
    begin(1);
    give_four();
    dispatcher_hear(&pool.dispatchers[0]);
    CHECK(fates[2].fate == STARTED && give(4)); /* this one waits for pool_flush() */
    say(0, MESSAGE_STARTED, 102);
    dispatcher_hear(&pool.dispatchers[0]);
    CHECK(pool.dispatchers[0].state == DISPATCHER_ENDING && !killed.give_way);
    CHECK(killed.count == 1 && killed.index == 0 && killed.generation == generations[0]);
    CHECK(pool_room(&pool) == 0 && !give(5) && pool_flush(&pool) == 0);
    CHECK(fates[4].fate == NOTHING && gone == 0);
    say(0, MESSAGE_STARTED, 101);
    dispatcher_hear(&pool.dispatchers[0]);
    CHECK(fates[1].fate == NOTHING);
    go(0);
    CHECK(pool.left != NULL && gone == 1); /* nobody knows yet that no child holds its end */
    for (int i = 0; pool.left != NULL && i < 5; i++)
        pool.left->source.ready(pool.left->source.context);
    expect_four();
    CHECK(fates[4].fate == RETURNED && fates[4].descriptor == -1 && !fates[4].delivered);
    CHECK(killed.count == 1);
    finish();
}

static void check_death_starting(void)
{
    begin(2);
    go(1);
    come(1);
    CHECK(pool_ready(&pool) == 1 && pool.dispatchers[1].state == DISPATCHER_STARTING);
    go(1);
    CHECK(pool.dispatchers[1].state == DISPATCHER_ABSENT && gone == 2 && killed.count == 0);
    come(1);
    be_ready(1);
    finish();
}

/* Messages that it sent before its death count, READY too, and it may send nothing else. */
static void check_last_words(void)
{
    begin(1);
    CHECK(give(0) && give(1) && give(2) && pool_flush(&pool) == 0 && consume(0) == 3);
    say(0, MESSAGE_STARTED, 100);
    say(0, MESSAGE_FAILED, 101);
    say(0, MESSAGE_EXITED, 7);
    say(0, MESSAGE_READY, 0); /* the second one */
    say(0, MESSAGE_STARTED, 102);
    go(0);
    CHECK(fates[0].fate == STARTED && fates[0].dispatcher == 0);
    CHECK(fates[1].fate == FAILED && fates[1].descriptor >= 0);
    CHECK(fates[2].fate == RETURNED && fates[2].descriptor == -1); /* it lost the connection */
    CHECK(killed.count == 0 && gone == 1);
    finish();
}

static void check_generations(void)
{
    begin(2);
    pool_died(&pool, 0, generations[0] + 1, KILLED);
    pool_died(&pool, 0, generations[0] - 1, KILLED);
    pool_died(&pool, 2, generations[0], KILLED);
    pool_died(&pool, UINT32_MAX, generations[0], KILLED);
    CHECK(pool_ready(&pool) == 2 && gone == 0);
    go(0);
    CHECK(pool_ready(&pool) == 1 && gone == 1);
    pool_died(&pool, 0, generations[0], KILLED); /* again */
    CHECK(gone == 1);
    come(0);
    pool_died(&pool, 0, generations[0] - 1, KILLED);
    CHECK(pool.dispatchers[0].state == DISPATCHER_STARTING && gone == 1);
    finish();
}

/* ---- children that a dead dispatcher left between clone and exec ---- */

static void check_left(void)
{
    int child;
    const struct starts_slot *start;

    begin(1);
    CHECK(give(0) && give(1) && pool_flush(&pool) == 0 && consume(0) == 2);
    clone_in(0, 0);
    clone_in(0, 1);
    start = pool_ended_start(&pool, STARTED_HERE + 1);
    CHECK(start != NULL && start->client == 1 && start->ticket == 101);
    child = fcntl(others[0], F_DUPFD_CLOEXEC, 3);
    go(0);
    CHECK(pool.left != NULL && gone == 1 && fates[0].fate == NOTHING && fates[1].fate == NOTHING);
    come(0); /* does not wait for them */
    be_ready(0);
    CHECK(pool_ended_start(&pool, STARTED_HERE + 2) == NULL);
    pool_signal_left(&pool, 15);
    CHECK(signal_count == 1 && signalled[0] == STARTED_HERE); /* the other has ended */
    start = pool_ended_start(&pool, STARTED_HERE);
    CHECK(start != NULL && start->client == 0);
    pool_signal_left(&pool, 15);
    CHECK(signal_count == 1);
    (void)close(child);
    pool.left->source.ready(pool.left->source.context);
    CHECK(pool.left == NULL && fates[0].fate == STARTED && fates[1].fate == STARTED);
    finish();
}

/* ---- what is asked ---- */

static void check_signal(void)
{
    const struct message_header client = {.client = 1, .ticket = 101};

    begin(1);
    CHECK(pool_signal(&pool, 0, &client, 1000, 15) == 0);
    CHECK(channel_owes(&pool.dispatchers[0].channel));
    CHECK(pool_signal(&pool, 1, &client, 1000, 15) == -1 && errno == ESRCH);
    CHECK(pool_signal(&pool, POOL_ORPHANED, &client, 1000, 15) == -1 && errno == ESRCH);
    say(0, MESSAGE_SIGNALLED, 101);
    CHECK(pool_has_answered(&pool) && !pool_has_answered(&pool));
    CHECK(!channel_owes(&pool.dispatchers[0].channel));
    go(0);
    CHECK(pool_signal(&pool, 0, &client, 1000, 15) == -1 && errno == ESRCH);
    finish();
}

/* An idle one, and never the last; the keeper is to start another later. */
static void check_give_way(void)
{
    begin(3);
    CHECK(give(0) && pool_flush(&pool) == 0); /* to the first */
    pool_give_way(&pool);
    CHECK(killed.count == 1 && killed.index == 2 && killed.give_way);
    CHECK(killed.generation == generations[2] && pool_ready(&pool) == 2);
    loop.now += LOOP_SECOND;
    pool.dispatchers[2].timer.expired(pool.dispatchers[2].timer.context);
    CHECK(killed.count == 2 && killed.give_way);
    pool_give_way(&pool);
    CHECK(killed.count == 3 && killed.index == 1 && pool_ready(&pool) == 1);
    pool_give_way(&pool);
    CHECK(killed.count == 3);
    go(2);
    come(2);
    be_ready(2);
    say(2, MESSAGE_READY, 0);
    dispatcher_hear(&pool.dispatchers[2]);
    CHECK(killed.count == 4 && !killed.give_way); /* this is another one */
    finish();
}

/* With too few descriptors it is given fewer clients, but one. */
static void check_room(void)
{
    static const struct {
        rlim_t descriptors;
        unsigned room;
    } rooms[] = {{0, 1},
                 {PROTOCOL_DESCRIPTORS, 1},
                 {PROTOCOL_DESCRIPTORS + 3, 3},
                 {PROTOCOL_DESCRIPTORS + PROTOCOL_SLOTS, PROTOCOL_SLOTS},
                 {RLIM_INFINITY, PROTOCOL_SLOTS}};

    for (unsigned i = 0; i < sizeof(rooms) / sizeof(*rooms); i++) {
        begin(1);
        pool_close(&pool);
        (void)close(others[0]);
        pool_open(&pool, &loop, &books, 1, rooms[i].descriptors, &events);
        come(0);
        CHECK(pool_room(&pool) == 0);
        be_ready(0);
        CHECK(pool_room(&pool) == rooms[i].room);
        finish();
    }
}

/* ---- the start ---- */

static struct loop_timer report = {.context = &pool};

/* Two begin, of which the first is ready. */
static void begin_two(void)
{
    come(0);
    come(1);
    say(0, MESSAGE_READY, 0);
}

static void report_ready(void *context)
{
    CHECK(context == &pool);
    say(1, MESSAGE_READY, 0);
}

static void report_both(void *context)
{
    begin_two();
    report_ready(context);
}

static void report_death(void *context)
{
    CHECK(context == &pool);
    go(1);
    come(1); /* another does not mend it */
}

static void report_violation(void *context)
{
    CHECK(context == &pool);
    say(1, MESSAGE_PONG, 0);
}

static void report_end(void *context)
{
    CHECK(context == &pool);
    loop_stop(&loop);
}

/* Awaits dispatchers, on which the keeper, or they themselves, report after 20 ms.  Without a
 * report nothing happens. */
static int await(bool begun, void (*expired)(void *context))
{
    int result;

    memset(&pool, 0, sizeof(pool));
    memset(&books, 0, sizeof(books));
    memset(&killed, 0, sizeof(killed));
    CHECK(loop_open(&loop) == 0);
    pool_open(&pool, &loop, &books, 2, RLIM_INFINITY, &events);
    if (begun)
        begin_two();
    report = (struct loop_timer){.expired = expired, .context = &pool};
    if (expired == NULL)
        pool.allowed = 50 * LOOP_MILLISECOND;
    else
        report.deadline = loop_clock() + 20 * LOOP_MILLISECOND;
    loop_add_timer(&loop, &report);
    result = pool_await(&pool);
    CHECK(killed.count == (begun && (expired == report_violation || expired == NULL)));
    CHECK(pool.late.deadline == 0);
    if (!begun && expired == NULL)
        begin_two(); /* so that there is something to close */
    finish();
    return result;
}

static void check_await(void)
{
    CHECK(await(true, report_ready) == 0);
    CHECK(await(false, report_both) == 0);
    CHECK(await(true, report_death) == -1);
    CHECK(await(true, report_violation) == -1);
    CHECK(await(true, report_end) == -1);
    CHECK(await(true, NULL) == -1);
    CHECK(await(false, NULL) == -1);
}

/* One whose descriptors cannot be used is killed, and its death ends the story. */
static void check_unusable(void)
{
    int descriptors[CHANNEL_DESCRIPTORS];

    begin(1);
    go(0);
    (void)close(ends_open(descriptors));
    (void)close(descriptors[CHANNEL_SOCKET]);
    descriptors[CHANNEL_SOCKET] = -1;
    pool_begin(&pool, 0, ++generations[0], 500, descriptors);
    CHECK(pool.dispatchers[0].state == DISPATCHER_ENDING && killed.count == 1);
    CHECK(killed.generation == generations[0] && pool_room(&pool) == 0);
    pool.opening = true;
    CHECK(pool_await(&pool) == -1);
    pool_died(&pool, 0, generations[0], KILLED);
    CHECK(pool.dispatchers[0].state == DISPATCHER_ABSENT && gone == 2);
    come(0);
    be_ready(0);
    finish();
}

int main(void)
{
    log_open(LOG_LEVEL_WARNING, LOG_FORMAT_TEXT, "pool");
    check_death_ready();
    check_death_ending();
    check_death_starting();
    check_last_words();
    check_generations();
    check_left();
    check_signal();
    check_give_way();
    check_room();
    check_await();
    check_unusable();
    CHECK(announced != 0);
    return CHECK_RESULT();
}
