#include "supervisor/pool/dispatcher.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/stores.h"

#include <errno.h>
#include <sys/wait.h>

enum {
    SLEPT = LOOP_SECOND,   /* a timer that is so late means that the supervisor was stopped */
    FAILING = LOOP_SECOND, /* others are preferred for so long after a failed start */
    ASK_AGAIN = 100 * LOOP_MILLISECOND, /* the keeper, to kill */
    ROLL_AGAIN = 10 * LOOP_MILLISECOND
};

/* Returns true if an answer is due, or READY. */
static bool owes(const struct dispatcher *dispatcher)
{
    return dispatcher->state == DISPATCHER_STARTING ||
           (dispatcher->state == DISPATCHER_READY && channel_owes(&dispatcher->channel));
}

void dispatcher_expect(struct dispatcher *dispatcher)
{
    if (dispatcher->state == DISPATCHER_ENDING)
        return; /* the timer is for its death */
    dispatcher->due =
        owes(dispatcher) ? dispatcher->pool->loop->now + dispatcher->pool->allowed : 0;
    dispatcher->timer.deadline = dispatcher->due;
    if (dispatcher->channel.rolling && !dispatcher->called)
        dispatcher->timer.deadline = dispatcher->pool->loop->now + ROLL_AGAIN;
}

/* ---- its death ---- */

static void ask_for_death(struct dispatcher *dispatcher)
{
    const struct pool_events *events = &dispatcher->pool->events;

    dispatcher->timer.deadline = dispatcher->pool->loop->now + ASK_AGAIN;
    events->kill(events->context, dispatcher->index, dispatcher->generation, dispatcher->gave_way);
}

/* Only its death makes the ledger final; until then its STARTs go to no other dispatcher. */
static void end(struct dispatcher *dispatcher)
{
    if (dispatcher->state == DISPATCHER_ENDING || dispatcher->state == DISPATCHER_ABSENT)
        return;
    dispatcher->state = DISPATCHER_ENDING;
    channel_finish(&dispatcher->channel);
    ask_for_death(dispatcher);
}

void dispatcher_close(struct dispatcher *dispatcher)
{
    channel_close(&dispatcher->channel);
    dispatcher->state = DISPATCHER_ABSENT;
    dispatcher->gave_way = false;
    dispatcher_expect(dispatcher);
}

static void log_death(const struct dispatcher *dispatcher, int status)
{
    bool killed = WIFSIGNALED(status);

    if (!dispatcher->pool->opening && !dispatcher->gave_way)
        log_warning("dispatcher %u, process %d, %s %d: replacing it", dispatcher->index,
                    dispatcher->process, killed ? "was killed by signal" : "exited with status",
                    killed ? WTERMSIG(status) : WEXITSTATUS(status));
}

void dispatcher_died(struct dispatcher *dispatcher, int status)
{
    struct pool *pool = dispatcher->pool;
    struct channel *channel = &dispatcher->channel;

    log_death(dispatcher, status);
    dispatcher->state = DISPATCHER_ENDING;
    channel_empty(channel);
    dispatcher_hear(dispatcher); /* messages that it sent before its death count */
    starts_decide(&channel->starts, channel->closed);
    if (channel->starts.count > 0 && channel_leave(channel, &pool->left, pool->books) != 0) {
        log_error("cannot watch the children of dead dispatcher %u: %m; assuming that their exec "
                  "succeeded",
                  dispatcher->index);
        starts_decide(&channel->starts, true);
    }
    dispatcher_close(dispatcher);
    pool->events.gone(pool->events.context, dispatcher->index);
}

/* ---- its messages ---- */

static bool take_ready(struct dispatcher *dispatcher)
{
    if (dispatcher->greeted)
        return false;
    dispatcher->greeted = true;
    if (dispatcher->state == DISPATCHER_ENDING || dispatcher->channel.rolling)
        return true;
    dispatcher->state = DISPATCHER_READY;
    dispatcher_expect(dispatcher);
    log_debug("dispatcher %u: ready, process %d", dispatcher->index, dispatcher->process);
    return true;
}

/* ---- the roll call ---- */

/* An earlier supervisor may have read STARTED, and was killed before it took note. */
static void find_started(struct dispatcher *dispatcher, const struct message_header *header)
{
    const struct pool_events *events = &dispatcher->pool->events;
    int32_t process = starts_child(&dispatcher->channel.starts, header);

    if (process != 0 && starts_answer(&dispatcher->channel.starts, header))
        events->started(events->context, dispatcher->index, header->client, header->ticket, process,
                        0);
}

static void take_listed(struct dispatcher *dispatcher, const struct message_listed *listed)
{
    const struct pool_events *events = &dispatcher->pool->events;

    if (listed->started != 0)
        find_started(dispatcher, &listed->header);
    else
        starts_list(&dispatcher->channel.starts, &listed->header);
    events->listed(events->context, dispatcher->index, listed->header.client,
                   listed->header.ticket);
}

static void take_rolled(struct dispatcher *dispatcher)
{
    const struct pool_events *events = &dispatcher->pool->events;

    dispatcher->channel.rolling = false;
    starts_rolled(&dispatcher->channel.starts);
    events->rolled(events->context, dispatcher->index);
    if (dispatcher->state == DISPATCHER_STARTING)
        dispatcher->state = DISPATCHER_READY;
    dispatcher->greeted = true; /* it takes requests only after READY */
    dispatcher_expect(dispatcher);
}

/* Returns false if the dispatcher must not send this message. */
static bool take(struct dispatcher *dispatcher, const union message *message, int descriptor)
{
    const struct pool_events *events = &dispatcher->pool->events;
    const struct message_header *header = &message->header;

    if (header->type == MESSAGE_READY)
        return take_ready(dispatcher);
    if (header->type == MESSAGE_EXITED) {
        if (dispatcher->channel.rolling)
            find_started(dispatcher, header);
        return events->exited(events->context, dispatcher->index, &message->exited) ||
               dispatcher->channel.rolling;
    }
    dispatcher_expect(dispatcher);
    if (header->type == MESSAGE_LISTED) {
        take_listed(dispatcher, &message->listed);
    } else if (header->type == MESSAGE_ROLLED) {
        if (header->ticket == dispatcher->roll)
            take_rolled(dispatcher);
    } else if (header->type == MESSAGE_STARTED) {
        events->started(events->context, dispatcher->index, header->client, header->ticket,
                        message->started.process, message->started.age);
    } else if (header->type == MESSAGE_FAILED) {
        dispatcher->failing_until = dispatcher->pool->loop->now + FAILING;
        events->failed(events->context, header->client, header->ticket, message->failed.error,
                       descriptor);
    }
    return true; /* SIGNALLED and PONG say no more than that they have come */
}

/* Handles the next message.  Returns true if there may be another. */
static bool hear_next(struct dispatcher *dispatcher)
{
    union message message;
    int descriptor;
    enum wire_result heard = channel_hear(&dispatcher->channel, &message, &descriptor);

    if (heard == WIRE_EMPTY)
        return false;
    if (heard == WIRE_MESSAGE && take(dispatcher, &message, descriptor)) {
        dispatcher->heard = true;
        return true;
    }
    if (heard == WIRE_ERROR) {
        log_error("cannot read from dispatcher %u: %m; killing it", dispatcher->index);
    } else if (heard != WIRE_CLOSED) {
        log_error("dispatcher %u violated the protocol: killing it", dispatcher->index);
        channel_distrust(&dispatcher->channel);
    }
    end(dispatcher); /* the ledger is not final before its death */
    return false;
}

void dispatcher_hear(struct dispatcher *dispatcher)
{
    while (hear_next(dispatcher))
        continue;
}

/* Handles one packet and leaves the next to the loop. */
static void on_readable(void *context)
{
    struct dispatcher *dispatcher = context;

    while (hear_next(dispatcher) && wire_is_left(&dispatcher->channel.inbox))
        continue;
}

/* If the socket is full now, ROLL is sent later. */
static void call_roll(struct dispatcher *dispatcher)
{
    union message roll;

    dispatcher->roll = ++dispatcher->pool->books->rolls;
    wire_header(&roll, MESSAGE_ROLL, 0, dispatcher->roll);
    dispatcher->called = channel_ask(&dispatcher->channel, &roll) == 0;
    if (!dispatcher->called && (errno == EPIPE || errno == ECONNRESET))
        end(dispatcher); /* it is dead; the keeper will say so */
    else
        dispatcher_expect(dispatcher);
}

/* ---- silence ---- */

static void on_timer(void *context)
{
    struct dispatcher *dispatcher = context;
    const struct pool *pool = dispatcher->pool;

    if (dispatcher->state == DISPATCHER_ENDING) {
        ask_for_death(dispatcher);
        return;
    }
    if (dispatcher->channel.rolling && !dispatcher->called) {
        call_roll(dispatcher);
        return;
    }
    dispatcher_hear(dispatcher); /* the answer may have come */
    if (!owes(dispatcher) || dispatcher->timer.deadline != 0)
        return;
    if (pool->loop->now - dispatcher->due > SLEPT) {
        dispatcher_expect(dispatcher);
        return;
    }
    log_warning("dispatcher %u, process %d, has not answered for %.3g s: killing it",
                dispatcher->index, dispatcher->process, loop_seconds(pool->allowed));
    end(dispatcher);
}

/* ---- its start ---- */

void dispatcher_open(struct dispatcher *dispatcher, struct pool *pool, unsigned index)
{
    *dispatcher = (struct dispatcher){
        .pool = pool,
        .index = index,
        .timer = {.expired = on_timer, .context = dispatcher},
    };
    channel_prepare(&dispatcher->channel, pool->loop, &pool->events,
                    &pool->books->dispatchers[index], on_readable, dispatcher);
    loop_add_timer(pool->loop, &dispatcher->timer);
}

static void begin(struct dispatcher *dispatcher, uint32_t generation, pid_t process)
{
    dispatcher->generation = generation;
    dispatcher->process = process;
    dispatcher->state = DISPATCHER_STARTING;
    dispatcher->greeted = false;
    dispatcher->heard = false;
    dispatcher->failing_until = 0;
    dispatcher_expect(dispatcher);
}

void dispatcher_begin(struct dispatcher *dispatcher, uint32_t generation, pid_t process,
                      const int descriptors[CHANNEL_DESCRIPTORS])
{
    struct pool_known *known = dispatcher->channel.known;

    begin(dispatcher, generation, process);
    known->generation = generation;
    known->index = dispatcher->index;
    known->stopped = false;
    for (int i = 0; i < CHANNEL_DESCRIPTORS; i++)
        known->descriptors[i] = descriptors[i];
    stores_settle();
    known->process = process;
    if (channel_open(&dispatcher->channel, descriptors) != 0) {
        log_error("cannot talk to dispatcher %u: %m; killing it", dispatcher->index);
        end(dispatcher);
    }
}

int dispatcher_recall(struct dispatcher *dispatcher)
{
    const struct pool_known *known = dispatcher->channel.known;

    if (channel_reopen(&dispatcher->channel, known->descriptors) != 0)
        return -1;
    begin(dispatcher, known->generation, known->process);
    dispatcher->channel.rolling = true;
    dispatcher->called = false;
    call_roll(dispatcher);
    return 0;
}

/* ---- its work ---- */

/* Ends a dispatcher that can be sent nothing.  Returns -1 with errno. */
static int fail_to_send(struct dispatcher *dispatcher, int error)
{
    if (error == EPIPE || error == ECONNRESET)
        end(dispatcher);
    errno = error;
    return -1;
}

void dispatcher_start(struct dispatcher *dispatcher, union message *start, int descriptor)
{
    channel_start(&dispatcher->channel, start, descriptor);
    if (dispatcher->due == 0)
        dispatcher_expect(dispatcher);
}

void dispatcher_withdraw(struct dispatcher *dispatcher)
{
    channel_withdraw(&dispatcher->channel);
    if (!owes(dispatcher))
        dispatcher_expect(dispatcher); /* stops the timer */
}

int dispatcher_flush(struct dispatcher *dispatcher)
{
    int error;

    if (channel_flush(&dispatcher->channel) == 0)
        return 0;
    error = errno;
    dispatcher->failing_until = dispatcher->pool->loop->now + FAILING;
    dispatcher_withdraw(dispatcher); /* now, because the dispatcher may never die */
    if (error == EPERM)
        end(dispatcher); /* it refuses descriptors (net/unix/af_unix.c, SO_PASSRIGHTS) */
    return fail_to_send(dispatcher, error);
}

int dispatcher_ask(struct dispatcher *dispatcher, const union message *request)
{
    if (dispatcher_flush(dispatcher) != 0)
        return -1;
    if (channel_ask(&dispatcher->channel, request) != 0)
        return fail_to_send(dispatcher, errno);
    if (dispatcher->due == 0)
        dispatcher_expect(dispatcher);
    return 0;
}

void dispatcher_give_way(struct dispatcher *dispatcher)
{
    log_warning("dispatcher %u, process %d, makes room for a handler, because no more processes "
                "are allowed: replacing it later",
                dispatcher->index, dispatcher->process);
    dispatcher->gave_way = true;
    end(dispatcher);
}
