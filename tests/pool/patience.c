/*
 * How long the supervisor waits for a dispatcher's answer: once, then a little longer after it has
 * continued the dispatcher, then it kills it.
 */
#include "supervisor/pool/pool.h"

#include "tests/shared/check.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum {
    ALLOWED = 10 * LOOP_SECOND,
    FIRST_PROCESS = 0x3ffffff0, /* no process has so high a number */
    DISPATCHERS = 2
};

static struct loop loop;
static struct pool pool;
static struct dispatcher *const first = &pool.dispatchers[0];
static int others[DISPATCHERS]; /* the ends of the dispatchers */

static void say(unsigned index, enum message_type type)
{
    union message message;

    wire_header(&message, type, 0, 0);
    if (type == MESSAGE_READY) {
        message.ready.process = FIRST_PROCESS + (int32_t)index;
        message.ready.reserved = 0;
    }
    CHECK(wire_send(others[index], &message, NULL, 0) == 0);
    dispatcher_hear(&pool.dispatchers[index]);
}

static void ask(void)
{
    union message message;

    wire_header(&message, MESSAGE_PING, 0, 0);
    CHECK(dispatcher_ask(first, &message, NULL) == 0);
}

static void begin_one(unsigned index)
{
    struct dispatcher *dispatcher = &pool.dispatchers[index];

    dispatcher_open(dispatcher, &pool, index);
    CHECK(channel_open(&dispatcher->channel, pool.reserve) == 0);
    others[index] = fcntl(dispatcher->channel.peer, F_DUPFD_CLOEXEC, 3);
    dispatcher_begin(dispatcher, FIRST_PROCESS + (int32_t)index, -1);
}

/* Begins anew: a dispatcher, and the spare, are ready. */
static void begin(void)
{
    memset(&pool, 0, sizeof(pool));
    CHECK(loop_open(&loop) == 0);
    loop.now = 5 * LOOP_SECOND;
    pool.loop = &loop;
    pool.count = 1;
    pool.allowed = ALLOWED;
    for (unsigned i = 0; i < DISPATCHERS; i++)
        begin_one(i);
    CHECK(first->state == DISPATCHER_STARTING && first->silence.deadline == loop.now + ALLOWED);
    for (unsigned i = 0; i < DISPATCHERS; i++)
        say(i, MESSAGE_READY);
    CHECK(first->state == DISPATCHER_READY && first->silence.deadline == 0);
}

static void end(void)
{
    for (unsigned i = 0; i < DISPATCHERS; i++) {
        CHECK(!dispatcher_close(&pool.dispatchers[i]));
        CHECK(close(others[i]) == 0);
    }
    loop_close(&loop);
}

/* Lets the time for an answer pass, and `late` microseconds more. */
static void pass(uint64_t late)
{
    CHECK(first->silence.deadline > loop.now);
    loop.now = first->silence.deadline + late;
    first->silence.deadline = 0;
    first->silence.expired(first->silence.context);
}

static bool is_extended(void)
{
    return first->state == DISPATCHER_READY && first->silence.deadline > loop.now &&
           first->silence.deadline < loop.now + LOOP_SECOND;
}

static bool is_allowed_all(void)
{
    return first->state == DISPATCHER_READY && first->silence.deadline == loop.now + ALLOWED;
}

static void check_silent(void)
{
    begin();
    ask();
    CHECK(is_allowed_all());
    pass(0);
    CHECK(is_extended());
    pass(0);
    CHECK(first->state == DISPATCHER_ENDING && first->silence.deadline == 0);
    end();
}

/* An answer gives the next one the full time. */
static void check_answer(void)
{
    begin();
    ask();
    ask();
    pass(0);
    CHECK(is_extended());
    say(0, MESSAGE_PONG);
    CHECK(is_allowed_all());
    pass(0);
    CHECK(is_extended());
    say(0, MESSAGE_PONG);
    CHECK(first->state == DISPATCHER_READY && first->silence.deadline == 0);
    end();
}

/* An answer that has come and was not read yet is in time. */
static void check_unread(void)
{
    union message message;

    begin();
    ask();
    wire_header(&message, MESSAGE_PONG, 0, 0);
    CHECK(wire_send(others[0], &message, NULL, 0) == 0);
    pass(0);
    CHECK(first->state == DISPATCHER_READY && first->silence.deadline == 0);
    end();
}

static void check_slept(void)
{
    begin();
    ask();
    pass(2 * LOOP_SECOND);
    CHECK(is_allowed_all());
    pass(0);
    CHECK(is_extended());
    pass(2 * LOOP_SECOND);
    CHECK(is_allowed_all());
    end();
}

static void check_hurried(void)
{
    begin();
    ask();
    pool_hurry(&pool, LOOP_SECOND);
    CHECK(first->silence.deadline == loop.now + LOOP_SECOND);
    end();
}

/* Without it nothing would be left. */
static void check_last(void)
{
    begin();
    pool.dispatchers[1].state = DISPATCHER_ENDING;
    ask();
    pass(0);
    CHECK(is_extended());
    pass(0);
    CHECK(is_allowed_all());
    end();
}

int main(void)
{
    check_silent();
    check_answer();
    check_unread();
    check_slept();
    check_hurried();
    check_last();
    return CHECK_RESULT();
}
