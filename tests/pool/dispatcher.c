/*
 * One dispatcher as the supervisor sees it: an answer counts that lies unread when the time for it
 * is over, and a dispatcher that came back after it gave way is replaced like any other.
 *
 * Speaks for the dispatcher, at the other end of the socket, and has a process stand for it.
 */
#include "supervisor/pool/dispatcher.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/wire.h"
#include "tests/shared/check.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    WITHIN = 10 * LOOP_SECOND,
    SHORT = 20 * LOOP_MILLISECOND,
    ADDED = 250 /* milliseconds: more than is added, and less than counts as having slept */
};

static struct loop loop;
static struct pool pool;
static struct dispatcher *const dispatcher = &pool.dispatchers[0];
static pid_t process;
static int end; /* the dispatcher's */

static unsigned exited;
static unsigned due;

/* ---- what it tells ---- */

static bool on_exited(void *context, unsigned index, const struct message_exited *message)
{
    (void)context;
    CHECK(index == 0 && message->header.ticket == 7);
    exited++;
    return true;
}

static void on_gone(void *context, unsigned index)
{
    (void)context;
    CHECK(index == 0);
}

static bool is_handler(void *context, pid_t candidate)
{
    (void)context;
    (void)candidate;
    return false;
}

static void on_due(void *context)
{
    CHECK(context == dispatcher);
    due++;
    loop_stop(&loop);
}

/* ---- the loop ---- */

static void stop(void *context)
{
    loop_stop(context);
}

/* Runs one round: something must be there to hear, or a timer be set. */
static void one_round(void)
{
    loop_run(&loop, stop, &loop);
}

static void ignore(void *context)
{
    (void)context;
}

static struct loop_timer late = {.expired = stop, .context = &loop};

/* Runs until a successor is due, for 10 s at most. */
static void until_due(void)
{
    late.deadline = loop_clock() + WITHIN;
    loop_run(&loop, ignore, NULL);
    late.deadline = 0;
}

/* ---- its life ---- */

static void say(enum message_type type, uint64_t ticket)
{
    union message message;

    wire_header(&message, type, 0, ticket);
    if (type == MESSAGE_READY)
        message.ready.process = process;
    CHECK(wire_send(end, &message, NULL, 0) == 0);
}

static void come(void)
{
    process = fork();
    if (process == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            (void)pause();
    }
    if (process < 0 || channel_open(&dispatcher->channel, pool.reserve) != 0) {
        perror("dispatcher");
        exit(1);
    }
    end = fcntl(dispatcher->channel.peer, F_DUPFD_CLOEXEC, 0);
    CHECK(end >= 0);
    dispatcher_begin(dispatcher, process, -1);
    say(MESSAGE_READY, 0);
    one_round();
    CHECK(dispatcher->state == DISPATCHER_READY);
}

/* Kills the dispatcher and tells the supervisor. */
static void die(void)
{
    int status = -1;

    (void)close(end);
    CHECK(kill(process, SIGKILL) == 0 && waitpid(process, &status, 0) == process);
    process = 0;
    dispatcher_died(dispatcher, status);
    CHECK(dispatcher->state == DISPATCHER_ABSENT);
}

static void begin(void)
{
    CHECK(loop_open(&loop) == 0);
    loop_add_timer(&loop, &late);
    memset(&pool, 0, sizeof(pool));
    pool.loop = &loop;
    pool.count = 1;
    pool.most = PROTOCOL_SLOTS;
    pool.allowed = WITHIN;
    pool.events =
        (struct pool_events){.exited = on_exited, .gone = on_gone, .is_handler = is_handler};
    pool.dispatchers[1].state = DISPATCHER_READY; /* another one, so that this is not the last */
    dispatcher_open(dispatcher, &pool, 0);
    dispatcher->restart.expired = on_due;
    due = 0;
    exited = 0;
    come();
    dispatcher->replaced = true;
}

static void finish(void)
{
    if (process > 0) {
        (void)close(end);
        (void)kill(process, SIGKILL);
    }
    while (dispatcher_close(dispatcher))
        (void)usleep(1000);
    CHECK(pool.left == NULL);
    loop_close(&loop);
}

/* ---- what is checked ---- */

/* Whether the next message to it is of this type. */
static bool is_sent(enum message_type type)
{
    struct wire_inbox inbox = {0};
    union message message;
    int descriptors[WIRE_DESCRIPTORS];

    return wire_receive(&inbox, end, ~0u, &message, descriptors, MSG_DONTWAIT) == WIRE_MESSAGE &&
           message.header.type == type;
}

/* Asks for an answer and waits until the dispatcher is roused, when it gets some more time. */
static void ask(void)
{
    union message message;

    pool.allowed = SHORT;
    wire_header(&message, MESSAGE_PING, 0, 1);
    CHECK(dispatcher_ask(dispatcher, &message, NULL) == 0 && is_sent(MESSAGE_PING));
    while (dispatcher->state == DISPATCHER_READY && !is_sent(MESSAGE_ROUSE))
        one_round();
    CHECK(dispatcher->state == DISPATCHER_READY);
}

static void check_silent(void)
{
    begin();
    ask();
    while (dispatcher->state == DISPATCHER_READY)
        one_round();
    CHECK(dispatcher->state == DISPATCHER_ENDING);
    finish();
}

/* A round hears one packet before it looks at timers: the answer lies in the second packet. */
static void check_unread(void)
{
    begin();
    ask();
    say(MESSAGE_EXITED, 7);
    say(MESSAGE_PONG, 1);
    (void)poll(NULL, 0, ADDED);
    one_round();
    CHECK(exited == 1 && dispatcher->state == DISPATCHER_READY);
    finish();
}

/* A dispatcher that came back after it gave way dies: that is logged, and a successor is due. */
static void check_back(void)
{
    begin();
    dispatcher_give_way(dispatcher);
    die();
    CHECK(due == 0);
    come();
    die();
    until_due();
    CHECK(due == 1);
    finish();
}

int main(void)
{
    log_open(LOG_LEVEL_WARNING, LOG_FORMAT_TEXT, "dispatcher");
    check_silent();
    check_unread();
    check_back();
    return CHECK_RESULT();
}
