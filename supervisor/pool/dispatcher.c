#include "supervisor/pool/dispatcher.h"

#include "dispatcher/shared/log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    /* The death of a younger dispatcher delays its successor: it may be its own fault. */
    SHORT_LIFE = LOOP_SECOND,
    /* A dispatcher that is silent for longer is stopped, or all its handlers hang in exec, on a
     * dead file system for example.  Killing it loses nothing, and frees its clients. */
    ALLOWED = 10 * LOOP_SECOND,
    EXTENSION = 200 * LOOP_MILLISECOND, /* after a stopped dispatcher was continued */
    SLEPT = LOOP_SECOND,   /* a timer that is so late means that the supervisor was stopped */
    FAILING = LOOP_SECOND, /* others are preferred for so long after a failed start */
    RESTART_FIRST = 10 * LOOP_MILLISECOND,
    RESTART_LONGEST = 250 * LOOP_MILLISECOND,
    FORK_LONGEST = 5 * LOOP_SECOND, /* if no process can be created */
    WAY_GIVEN = 60 * LOOP_SECOND    /* if that kept handlers from being started */
};

bool dispatcher_owes(const struct dispatcher *dispatcher)
{
    return dispatcher->state == DISPATCHER_STARTING ||
           (dispatcher->state == DISPATCHER_READY && channel_owes(&dispatcher->channel));
}

static void wait_until(struct dispatcher *dispatcher, uint64_t due)
{
    dispatcher->due = due;
    dispatcher->silence.deadline = due;
}

/* Allows the full time for the next answer, if there is one due.  To be called when an answer has
 * come, or the first request was sent. */
static void expect_answer(struct dispatcher *dispatcher)
{
    dispatcher->extended = false;
    wait_until(dispatcher,
               dispatcher_owes(dispatcher) ? dispatcher->pool->loop->now + dispatcher->allowed : 0);
}

static void start_has_failed(struct dispatcher *dispatcher)
{
    dispatcher->failing_until = dispatcher->pool->loop->now + FAILING;
}

/* ---- its death ---- */

static void schedule_successor(struct dispatcher *dispatcher)
{
    uint64_t now = dispatcher->pool->loop->now;

    if (dispatcher->replaced && dispatcher->gave_way)
        dispatcher->restart.deadline = now + WAY_GIVEN;
    else if (dispatcher->replaced)
        dispatcher->restart.deadline =
            backoff_holds(&dispatcher->backoff, now) ? dispatcher->backoff.until : now;
}

static void forget(struct dispatcher *dispatcher)
{
    channel_close(&dispatcher->channel);
    free(dispatcher->remains);
    dispatcher->remains = NULL;
    dispatcher->process = 0;
    dispatcher->state = DISPATCHER_ABSENT;
    expect_answer(dispatcher);
}

void dispatcher_postpone(struct dispatcher *dispatcher)
{
    backoff_failed(&dispatcher->backoff, dispatcher->pool->loop->now);
    schedule_successor(dispatcher);
}

void dispatcher_failed(struct dispatcher *dispatcher, int error)
{
    forget(dispatcher);
    dispatcher->error = error;
    errno = error;
    if (dispatcher->replaced && dispatcher->backoff.longest != FORK_LONGEST)
        log_warning("cannot start dispatcher %u: %m; trying again", dispatcher->index);
    dispatcher->backoff.longest = FORK_LONGEST;
    dispatcher_postpone(dispatcher);
}

/* The dispatcher is ending or dead. */
static void report_unsignalled(const struct dispatcher *dispatcher)
{
    const struct pool_events *events = &dispatcher->pool->events;

    if (dispatcher->channel.requests.adopted > 0)
        events->unsignalled(events->context);
}

/* Only its death makes the ledger final; until then its STARTs go to no other dispatcher. */
static void end(struct dispatcher *dispatcher)
{
    dispatcher->state = DISPATCHER_ENDING;
    expect_answer(dispatcher);
    if (!dispatcher->reaped)
        channel_kill(&dispatcher->channel);
    report_unsignalled(dispatcher);
    if (dispatcher->process == 0)
        dispatcher_failed(dispatcher, ESRCH); /* there may be no process, and it has no clients */
}

/* Watches its children between clone and exec, so that the successor need not wait for them. */
static void leave_remains(struct dispatcher *dispatcher)
{
    struct remains *remains = dispatcher->remains;
    struct channel *channel = &dispatcher->channel;

    *remains = (struct remains){
        .loop = dispatcher->pool->loop,
        .events = &dispatcher->pool->events,
        .source = {.descriptor = channel->source.descriptor},
        .starts = channel->requests.starts,
    };
    loop_ignore(dispatcher->pool->loop, &channel->source);
    if (remains_watch(remains, &dispatcher->pool->left) == 0) {
        dispatcher->remains = NULL;
        channel_leave(channel);
        return;
    }
    log_error("cannot watch the children of dead dispatcher %u: %m; assuming that their exec "
              "succeeded",
              dispatcher->index);
    starts_decide(&channel->requests.starts, true, remains->events);
}

static void log_death(const struct dispatcher *dispatcher, int status)
{
    if (!dispatcher->replaced || dispatcher->gave_way)
        return; /* its death was wanted */
    if (WIFSIGNALED(status))
        log_warning("dispatcher %u, process %d, was killed by signal %d: replacing it",
                    dispatcher->index, dispatcher->process, WTERMSIG(status));
    else
        log_warning("dispatcher %u, process %d, exited with status %d: replacing it",
                    dispatcher->index, dispatcher->process, WEXITSTATUS(status));
}

void dispatcher_died(struct dispatcher *dispatcher, int status)
{
    const struct pool_events *events = &dispatcher->pool->events;
    struct channel *channel = &dispatcher->channel;
    uint64_t now = dispatcher->pool->loop->now;

    log_death(dispatcher, status);
    dispatcher->backoff.longest = RESTART_LONGEST;
    if (now - dispatcher->since < SHORT_LIFE)
        backoff_failed(&dispatcher->backoff, now);
    else
        backoff_succeeded(&dispatcher->backoff);
    dispatcher->reaped = true;
    dispatcher->state = DISPATCHER_ENDING;
    channel_empty(channel);
    dispatcher_hear(dispatcher); /* messages that it sent before its death count */
    report_unsignalled(dispatcher);
    starts_decide(&channel->requests.starts, channel->closed, events);
    if (channel->requests.starts.count > 0)
        leave_remains(dispatcher);
    forget(dispatcher);
    events->gone(events->context, dispatcher->index);
    schedule_successor(dispatcher);
}

/* ---- silence ---- */

static bool is_last(const struct dispatcher *dispatcher)
{
    const struct pool *pool = dispatcher->pool;

    for (unsigned i = 0; i <= pool->count; i++)
        if (&pool->dispatchers[i] != dispatcher && pool->dispatchers[i].state == DISPATCHER_READY)
            return false;
    return true;
}

static void log_silence(const struct dispatcher *dispatcher, const char *consequence)
{
    log_warning("dispatcher %u, process %d, has not answered for %.3g s%s", dispatcher->index,
                dispatcher->process, (double)dispatcher->allowed / LOOP_SECOND, consequence);
}

static void on_silence(void *context)
{
    struct dispatcher *dispatcher = context;
    uint64_t now = dispatcher->pool->loop->now;

    dispatcher_hear(dispatcher); /* the answer may have come */
    if (!dispatcher_owes(dispatcher) || dispatcher->silence.deadline != 0)
        return;
    if (now - dispatcher->due > SLEPT) {
        expect_answer(dispatcher);
        return;
    }
    if (!dispatcher->extended) {
        dispatcher->extended = true;
        wait_until(dispatcher, now + EXTENSION);
        channel_rouse(&dispatcher->channel);
    } else if (dispatcher->process == 0 && dispatcher->parent >= 0) {
        expect_answer(dispatcher); /* it is not forked yet: its parent is silent */
    } else if (is_last(dispatcher)) {
        log_silence(dispatcher, ", and no other is ready: waiting on");
        expect_answer(dispatcher);
    } else {
        log_silence(dispatcher, ": killing it");
        end(dispatcher);
    }
}

/* ---- its messages ---- */

/* Returns true if a process can be a new dispatcher: an unknown child of this process. */
static bool may_be(const struct pool *pool, pid_t process)
{
    siginfo_t information;

    return process > 1 && dispatcher_find(pool, process) == NULL &&
           !pool->events.is_handler(pool->events.context, process) &&
           waitid(P_PID, (id_t)process, &information, WEXITED | WNOHANG | WNOWAIT) == 0;
}

bool dispatcher_take_process(struct dispatcher *dispatcher, pid_t process)
{
    if (dispatcher->process == 0 && may_be(dispatcher->pool, process))
        dispatcher->process = process;
    return process > 0 && dispatcher->process == process;
}

static bool take_ready(struct dispatcher *dispatcher, pid_t process)
{
    if (dispatcher->state == DISPATCHER_READY || !dispatcher_take_process(dispatcher, process))
        return false; /* the second READY, or another's */
    if (dispatcher->state == DISPATCHER_STARTING) {
        dispatcher->state = DISPATCHER_READY;
        dispatcher->avoided = -1;
        dispatcher->gave_way = false;
        expect_answer(dispatcher);
        log_debug("%s %u: ready, process %d", dispatcher->spare ? "spare dispatcher" : "dispatcher",
                  dispatcher->index, dispatcher->process);
    }
    return true;
}

/* Returns false if the dispatcher must not send this message. */
static bool take(struct dispatcher *dispatcher, const union message *message, int descriptor)
{
    const struct pool_events *events = &dispatcher->pool->events;
    const struct message_header *header = &message->header;

    if (header->type == MESSAGE_READY)
        return take_ready(dispatcher, message->ready.process);
    if (header->type == MESSAGE_EXITED)
        return events->exited(events->context, dispatcher->index, &message->exited);
    expect_answer(dispatcher);
    switch (header->type) {
    case MESSAGE_STARTED:
        events->started(events->context, dispatcher->index, header->client, header->ticket,
                        message->started.process, message->started.age);
        break;
    case MESSAGE_FAILED:
        start_has_failed(dispatcher);
        events->failed(events->context, header->client, header->ticket, message->failed.error,
                       descriptor);
        break;
    case MESSAGE_FORKED:
        dispatcher->pool->forked(dispatcher, &message->forked);
        break;
    case MESSAGE_CONTENT:
        events->content(events->context, message->content.file, descriptor, message->content.error);
        break;
    default: /* SIGNALLED and PONG say no more than that they have come */
        break;
    }
    return true;
}

/* Handles the next message.  Returns true if there may be another. */
static bool hear_next(struct dispatcher *dispatcher)
{
    union message message;
    int descriptor;
    enum channel_heard heard = channel_hear(&dispatcher->channel, &message, &descriptor);

    if (heard == CHANNEL_MESSAGE && !take(dispatcher, &message, descriptor)) {
        channel_distrust(&dispatcher->channel);
        heard = CHANNEL_VIOLATED;
    }
    switch (heard) {
    case CHANNEL_MESSAGE:
        dispatcher->heard = true;
        return true;
    case CHANNEL_VIOLATED:
        log_error("dispatcher %u violated the protocol: killing it", dispatcher->index);
        break;
    case CHANNEL_FAILED:
        log_error("cannot read from dispatcher %u: %m; killing it", dispatcher->index);
        break;
    case CHANNEL_CLOSED:
        break;
    case CHANNEL_EMPTY:
        return false;
    }
    if (dispatcher->state != DISPATCHER_ABSENT)
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

/* ---- its start ---- */

void dispatcher_open(struct dispatcher *dispatcher, struct pool *pool, unsigned index)
{
    *dispatcher = (struct dispatcher){
        .pool = pool,
        .index = index,
        .spare = index == pool->count,
        .avoided = -1,
        .allowed = ALLOWED,
        .backoff = {.first = RESTART_FIRST, .longest = RESTART_LONGEST},
        .restart = {.expired = pool->restart, .context = dispatcher},
        .silence = {.expired = on_silence, .context = dispatcher},
    };
    channel_prepare(&dispatcher->channel, pool->loop, on_readable, dispatcher);
    loop_add_timer(pool->loop, &dispatcher->restart);
    loop_add_timer(pool->loop, &dispatcher->silence);
}

void dispatcher_keep(struct dispatcher *dispatcher)
{
    dispatcher->replaced = true;
    if (dispatcher->state == DISPATCHER_ABSENT)
        schedule_successor(dispatcher);
}

int dispatcher_begin(struct dispatcher *dispatcher, struct channel_ends *ends, pid_t process,
                     int parent)
{
    (void)close(ends->memory); /* it is mapped here, and the dispatcher has it */
    ends->memory = -1;
    dispatcher->generation++; /* even if this fails: the process may exist */
    dispatcher->remains = malloc(sizeof(*dispatcher->remains));
    if (dispatcher->remains == NULL) {
        channel_close_ends(ends);
        return -1;
    }
    dispatcher->process = process;
    dispatcher->parent = parent;
    dispatcher->state = DISPATCHER_STARTING;
    dispatcher->reaped = false;
    dispatcher->heard = false;
    dispatcher->failing_until = 0;
    dispatcher->since = dispatcher->pool->loop->now;
    expect_answer(dispatcher);
    if (channel_open(&dispatcher->channel, ends) != 0) {
        log_error("cannot watch dispatcher %u: %m; killing it", dispatcher->index);
        end(dispatcher);
    }
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
    bool idle = !channel_owes(&dispatcher->channel);

    channel_start(&dispatcher->channel, start, descriptor);
    if (idle)
        expect_answer(dispatcher);
}

void dispatcher_withdraw(struct dispatcher *dispatcher)
{
    channel_withdraw(&dispatcher->channel, &dispatcher->pool->events);
    if (!dispatcher_owes(dispatcher))
        expect_answer(dispatcher); /* stops the timer */
}

int dispatcher_flush(struct dispatcher *dispatcher)
{
    int error;

    if (channel_flush(&dispatcher->channel, &dispatcher->pool->events) == 0)
        return 0;
    error = errno;
    start_has_failed(dispatcher);
    dispatcher_withdraw(dispatcher); /* now, because the dispatcher may never die */
    if (error == EPERM)
        end(dispatcher); /* it refuses descriptors (net/unix/af_unix.c, SO_PASSRIGHTS) */
    return fail_to_send(dispatcher, error);
}

int dispatcher_ask(struct dispatcher *dispatcher, const union message *request,
                   const int *descriptors)
{
    bool idle = !channel_owes(&dispatcher->channel);

    if (dispatcher_flush(dispatcher) != 0)
        return -1;
    if (channel_ask(&dispatcher->channel, request, descriptors) != 0)
        return fail_to_send(dispatcher, errno);
    if (idle)
        expect_answer(dispatcher);
    return 0;
}

bool dispatcher_has_process(const struct dispatcher *dispatcher)
{
    return dispatcher->state != DISPATCHER_ABSENT && dispatcher->process != 0 &&
           !dispatcher->reaped;
}

const struct dispatcher *dispatcher_find(const struct pool *pool, pid_t process)
{
    for (unsigned i = 0; i <= pool->count; i++)
        if (dispatcher_has_process(&pool->dispatchers[i]) &&
            pool->dispatchers[i].process == process)
            return &pool->dispatchers[i];
    return NULL;
}

void dispatcher_hurry(struct dispatcher *dispatcher, uint64_t allowed)
{
    dispatcher->allowed = allowed;
    expect_answer(dispatcher);
}

void dispatcher_give_way(struct dispatcher *dispatcher)
{
    dispatcher->gave_way = true;
    if (dispatcher->state == DISPATCHER_ABSENT) {
        schedule_successor(dispatcher);
        return;
    }
    log_warning("dispatcher %u, process %d, makes room for a handler, because no more processes "
                "are allowed: replacing it in %d s",
                dispatcher->index, dispatcher->process, (int)(WAY_GIVEN / LOOP_SECOND));
    end(dispatcher);
}

bool dispatcher_close(struct dispatcher *dispatcher)
{
    dispatcher->replaced = false;
    dispatcher->restart.deadline = 0;
    if (dispatcher->state != DISPATCHER_ABSENT && dispatcher->state != DISPATCHER_ENDING)
        end(dispatcher);
    if (dispatcher_has_process(dispatcher) && waitpid(dispatcher->process, NULL, WNOHANG) == 0)
        return true;
    if (dispatcher->state != DISPATCHER_ABSENT)
        forget(dispatcher);
    return false;
}
