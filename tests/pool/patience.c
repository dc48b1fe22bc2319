/*
 * How long the supervisor waits for a dispatcher's answer; it asks for the death of a silent one
 * until that is reported.
 */
#include "supervisor/pool/pool.h"

#include "tests/pool/ends.h"
#include "tests/shared/check.h"

#include <string.h>

enum { ALLOWED = 10 * LOOP_SECOND, GENERATION = 7 };

static struct loop loop;
static struct pool pool;
static struct pool_books books;
static struct dispatcher *const dispatcher = &pool.dispatchers[0];
static int other; /* the dispatcher's end */
static unsigned killed;
static bool gave_way;

static void on_kill(void *context, unsigned index, uint32_t generation, bool give_way)
{
    CHECK(context == &pool && index == 0 && generation == GENERATION);
    gave_way = give_way;
    killed++;
}

static void on_gone(void *context, unsigned index)
{
    CHECK(context == &pool && index == 0);
}

static void say(enum message_type type)
{
    union message message;

    wire_header(&message, type, 0, 0);
    CHECK(wire_send(other, &message, NULL, 0) == 0);
}

static void say_and_hear(enum message_type type)
{
    say(type);
    dispatcher_hear(dispatcher);
}

static void ask(void)
{
    union message message;

    wire_header(&message, MESSAGE_PING, 0, 0);
    CHECK(dispatcher_ask(dispatcher, &message) == 0);
}

static void begin_starting(void)
{
    static const struct pool_events events = {.kill = on_kill, .gone = on_gone, .context = &pool};
    int descriptors[CHANNEL_DESCRIPTORS];

    memset(&pool, 0, sizeof(pool));
    memset(&books, 0, sizeof(books));
    killed = 0;
    CHECK(loop_open(&loop) == 0);
    loop.now = 5 * LOOP_SECOND;
    pool_open(&pool, &loop, &books, 1, RLIM_INFINITY, &events);
    other = ends_open(descriptors);
    pool_begin(&pool, 0, GENERATION, 1000, descriptors);
    CHECK(dispatcher->state == DISPATCHER_STARTING &&
          dispatcher->timer.deadline == loop.now + ALLOWED);
}

static void begin(void)
{
    begin_starting();
    say_and_hear(MESSAGE_READY);
    CHECK(dispatcher->state == DISPATCHER_READY && dispatcher->timer.deadline == 0);
}

static void end(void)
{
    pool_close(&pool);
    CHECK(dispatcher->state == DISPATCHER_ABSENT && dispatcher->timer.deadline == 0);
    CHECK(close(other) == 0);
    loop_close(&loop);
}

/* Lets the time for an answer pass, and `late` microseconds more. */
static void pass(uint64_t late)
{
    CHECK(dispatcher->timer.deadline > loop.now);
    loop.now = dispatcher->timer.deadline + late;
    dispatcher->timer.deadline = 0;
    dispatcher->timer.expired(dispatcher->timer.context);
}

static bool is_allowed_all(void)
{
    return dispatcher->state == DISPATCHER_READY && killed == 0 &&
           dispatcher->timer.deadline == loop.now + ALLOWED;
}

/* The only dispatcher, too: the keeper starts another. */
static void check_silent(void)
{
    begin();
    ask();
    CHECK(is_allowed_all());
    loop.now += LOOP_SECOND;
    ask();
    CHECK(dispatcher->timer.deadline == loop.now + ALLOWED - LOOP_SECOND);
    pass(0);
    CHECK(dispatcher->state == DISPATCHER_ENDING && killed == 1 && !gave_way);
    end();
}

static void check_starting(void)
{
    begin_starting();
    pass(0);
    CHECK(dispatcher->state == DISPATCHER_ENDING && killed == 1);
    say_and_hear(MESSAGE_READY); /* too late */
    CHECK(dispatcher->state == DISPATCHER_ENDING && pool_ready(&pool) == 0);
    end();
}

/* Every 100 ms, until its death is reported, and whatever comes meanwhile. */
static void check_asked_again(void)
{
    begin();
    ask();
    ask();
    pass(0);
    for (unsigned i = 1; i < 5; i++) {
        CHECK(killed == i && dispatcher->timer.deadline == loop.now + 100 * LOOP_MILLISECOND);
        pool_hurry(&pool, 1);
        if (i == 2)
            say_and_hear(MESSAGE_PONG);
        CHECK(dispatcher->timer.deadline == loop.now + 100 * LOOP_MILLISECOND);
        pass(i == 3 ? 5 * LOOP_SECOND : 0);
    }
    pool_died(&pool, 0, GENERATION, 9);
    CHECK(killed == 5 && dispatcher->timer.deadline == 0);
    CHECK(dispatcher->state == DISPATCHER_ABSENT);
    end();
}

/* An answer gives the next one the full time. */
static void check_answer(void)
{
    begin();
    ask();
    ask();
    loop.now += LOOP_SECOND;
    say_and_hear(MESSAGE_PONG);
    CHECK(is_allowed_all());
    say_and_hear(MESSAGE_PONG);
    CHECK(dispatcher->state == DISPATCHER_READY && dispatcher->timer.deadline == 0);
    end();
}

/* An answer that has come and was not read yet is in time, behind others, too. */
static void check_unread(void)
{
    begin();
    ask();
    ask();
    say(MESSAGE_PONG);
    say(MESSAGE_PONG);
    pass(0);
    CHECK(dispatcher->state == DISPATCHER_READY && dispatcher->timer.deadline == 0 && killed == 0);
    end();

    begin_starting();
    say(MESSAGE_READY);
    pass(0);
    CHECK(dispatcher->state == DISPATCHER_READY && killed == 0);
    end();
}

/* The supervisor itself was stopped. */
static void check_slept(void)
{
    begin();
    ask();
    pass(2 * LOOP_SECOND);
    CHECK(is_allowed_all());
    pass(LOOP_SECOND / 2);
    CHECK(dispatcher->state == DISPATCHER_ENDING && killed == 1);
    end();
}

static void check_hurried(void)
{
    begin();
    pool_hurry(&pool, LOOP_SECOND);
    CHECK(dispatcher->timer.deadline == 0);
    ask();
    CHECK(dispatcher->timer.deadline == loop.now + LOOP_SECOND);
    pool_hurry(&pool, LOOP_SECOND / 2);
    CHECK(dispatcher->timer.deadline == loop.now + LOOP_SECOND / 2);
    end();
}

int main(void)
{
    check_silent();
    check_starting();
    check_asked_again();
    check_answer();
    check_unread();
    check_slept();
    check_hurried();
    return CHECK_RESULT();
}
