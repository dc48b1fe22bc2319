#include "supervisor/pool/dispatcher.h"

#include "dispatcher/shared/log.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    /* The death of a younger dispatcher delays its successor: it may be its own fault. */
    SHORT_LIFE = LOOP_SECOND,
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

void dispatcher_expect(struct dispatcher *dispatcher)
{
    const struct pool *pool = dispatcher->pool;

    dispatcher->extended = false;
    dispatcher->due = dispatcher_owes(dispatcher) ? pool->loop->now + pool->allowed : 0;
    dispatcher->silence.deadline = dispatcher->due;
}

/* ---- its death ---- */

static void schedule_successor(struct dispatcher *dispatcher)
{
    uint64_t now = dispatcher->pool->loop->now;

    if (!dispatcher->replaced)
        return;
    dispatcher->restart.deadline = dispatcher->gave_way ? now + WAY_GIVEN
                                   : backoff_holds(&dispatcher->backoff, now)
                                       ? dispatcher->backoff.until
                                       : now;
}

static void forget(struct dispatcher *dispatcher)
{
    channel_close(&dispatcher->channel);
    dispatcher->process = 0;
    dispatcher->state = DISPATCHER_ABSENT;
    dispatcher_expect(dispatcher);
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

/* Only its death makes the ledger final; until then its STARTs go to no other dispatcher. */
static void end(struct dispatcher *dispatcher)
{
    dispatcher->state = DISPATCHER_ENDING;
    dispatcher_expect(dispatcher);
    channel_kill(&dispatcher->channel);
    if (dispatcher->channel.due[CHANNEL_ADOPTED] > 0)
        dispatcher->pool->unsignalled = true;
    if (dispatcher->process == 0)
        dispatcher_failed(dispatcher, ESRCH); /* there may be no process, and it has no clients */
}

static void log_death(const struct dispatcher *dispatcher, int status)
{
    bool killed = WIFSIGNALED(status);

    if (dispatcher->replaced && !dispatcher->gave_way) /* otherwise its death was wanted */
        log_warning("dispatcher %u, process %d, %s %d: replacing it", dispatcher->index,
                    dispatcher->process, killed ? "was killed by signal" : "exited with status",
                    killed ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* Files are read in this order: the others had no part in its death. */
static void answer_reads(const struct dispatcher *dispatcher)
{
    const struct pool_events *events = &dispatcher->pool->events;
    int error = POOL_READER_DIED;

    for (int file = 0; file < PROTOCOL_FILES; file++) {
        if (dispatcher->channel.due[CHANNEL_CONTENT + file] == 0)
            continue;
        events->content(events->reader, (enum protocol_file)file, -1, error);
        error = POOL_UNREAD;
    }
}

void dispatcher_died(struct dispatcher *dispatcher, int status)
{
    struct pool *pool = dispatcher->pool;
    struct channel *channel = &dispatcher->channel;
    uint64_t now = pool->loop->now;

    log_death(dispatcher, status);
    dispatcher->backoff.longest = RESTART_LONGEST;
    if (now - dispatcher->since < SHORT_LIFE)
        backoff_failed(&dispatcher->backoff, now);
    else
        backoff_succeeded(&dispatcher->backoff);
    dispatcher->state = DISPATCHER_ENDING;
    channel_empty(channel);
    dispatcher_hear(dispatcher); /* messages that it sent before its death count */
    if (channel->due[CHANNEL_ADOPTED] > 0)
        pool->unsignalled = true;
    answer_reads(dispatcher);
    starts_decide(&channel->starts, channel->closed);
    if (channel->starts.count > 0 && channel_leave(channel, &pool->left) != 0) {
        log_error("cannot watch the children of dead dispatcher %u: %m; assuming that their exec "
                  "succeeded",
                  dispatcher->index);
        starts_decide(&channel->starts, true);
    }
    forget(dispatcher);
    pool->events.gone(pool->events.context, dispatcher->index);
    schedule_successor(dispatcher);
}

/* ---- its messages ---- */

/* Returns true if a process can be a new dispatcher: an unknown child of this process. */
static bool may_be(struct pool *pool, pid_t process)
{
    siginfo_t information;

    return process > 1 && dispatcher_find(pool, process) == NULL &&
           !pool->events.is_handler(pool->events.context, process) &&
           waitid(P_PID, (id_t)process, &information, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static bool take_process(struct dispatcher *dispatcher, pid_t process)
{
    if (dispatcher->process == 0 && may_be(dispatcher->pool, process))
        dispatcher->process = process;
    return process > 0 && dispatcher->process == process;
}

static bool take_ready(struct dispatcher *dispatcher, pid_t process)
{
    if (dispatcher->state == DISPATCHER_READY || !take_process(dispatcher, process))
        return false; /* the second READY, or another's */
    if (dispatcher->state == DISPATCHER_STARTING) {
        dispatcher->state = DISPATCHER_READY;
        dispatcher->avoided = -1;
        dispatcher->gave_way = false;
        dispatcher_expect(dispatcher);
        log_debug("%s %u: ready, process %d",
                  dispatcher->index == dispatcher->pool->count ? "spare dispatcher" : "dispatcher",
                  dispatcher->index, dispatcher->process);
    }
    return true;
}

static void take_forked(const struct dispatcher *parent, const struct message_forked *answer)
{
    struct pool *pool = parent->pool;
    const struct message_header *header = &answer->header;
    struct dispatcher *child;

    if (header->client > pool->count)
        return;
    child = &pool->dispatchers[header->client];
    if (child->generation != header->ticket || child->state == DISPATCHER_ABSENT ||
        child->parent != (int)parent->index)
        return; /* it was given up meanwhile */
    child->parent = -1;
    if (child->state != DISPATCHER_STARTING || child->process != 0)
        return; /* its READY came first */
    /* The child may have died, and been reaped as an unknown process. */
    if (answer->error != 0 || !take_process(child, answer->process))
        dispatcher_failed(child, answer->error != 0 ? answer->error : ESRCH);
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
    dispatcher_expect(dispatcher);
    switch (header->type) {
    case MESSAGE_STARTED:
        events->started(events->context, dispatcher->index, header->client, header->ticket,
                        message->started.process, message->started.age);
        break;
    case MESSAGE_FAILED:
        dispatcher->failing_until = dispatcher->pool->loop->now + FAILING;
        events->failed(events->context, header->client, header->ticket, message->failed.error,
                       descriptor);
        break;
    case MESSAGE_FORKED:
        take_forked(dispatcher, &message->forked);
        break;
    case MESSAGE_CONTENT:
        events->content(events->reader, message->content.file, descriptor, message->content.error);
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

/* ---- silence ---- */

static void log_silence(const struct dispatcher *dispatcher, const char *consequence)
{
    log_warning("dispatcher %u, process %d, has not answered for %.3g s%s", dispatcher->index,
                dispatcher->process, loop_seconds(dispatcher->pool->allowed), consequence);
}

static void on_silence(void *context)
{
    struct dispatcher *dispatcher = context;
    uint64_t now = dispatcher->pool->loop->now;
    const struct dispatcher *ready;

    dispatcher_hear(dispatcher); /* the answer may have come */
    if (!dispatcher_owes(dispatcher) || dispatcher->silence.deadline != 0)
        return;
    if (now - dispatcher->due > SLEPT) {
        dispatcher_expect(dispatcher);
        return;
    }
    ready = dispatcher_find_ready(dispatcher->pool, (int)dispatcher->index);
    if (!dispatcher->extended) {
        dispatcher->extended = true;
        dispatcher->due = now + EXTENSION;
        dispatcher->silence.deadline = dispatcher->due;
        channel_rouse(&dispatcher->channel);
    } else if (dispatcher->process == 0 && dispatcher->parent >= 0) {
        dispatcher_expect(dispatcher); /* it is not forked yet: its parent is silent */
    } else if (ready == NULL || ready == dispatcher) {
        log_silence(dispatcher, ", and no other is ready: waiting on");
        dispatcher_expect(dispatcher);
    } else {
        log_silence(dispatcher, ": killing it");
        end(dispatcher);
    }
}

/* ---- its start ---- */

void dispatcher_open(struct dispatcher *dispatcher, struct pool *pool, unsigned index)
{
    *dispatcher = (struct dispatcher){
        .pool = pool,
        .index = index,
        .avoided = -1,
        .channel = {.loop = pool->loop,
                    .source = {.descriptor = -1, .ready = on_readable, .context = dispatcher},
                    .peer = -1,
                    .memory = -1,
                    .starts = {.events = &pool->events}},
        .backoff = {.first = RESTART_FIRST, .longest = RESTART_LONGEST},
        .restart = {.expired = dispatcher_restart, .context = dispatcher},
        .silence = {.expired = on_silence, .context = dispatcher},
    };
    loop_add_timer(pool->loop, &dispatcher->restart);
    loop_add_timer(pool->loop, &dispatcher->silence);
}

void dispatcher_begin(struct dispatcher *dispatcher, pid_t process, int parent)
{
    struct channel *channel = &dispatcher->channel;

    (void)close(channel->memory); /* it is mapped here, and the dispatcher has it */
    channel->memory = -1;
    dispatcher->generation++;
    dispatcher->process = process;
    dispatcher->parent = parent;
    dispatcher->state = DISPATCHER_STARTING;
    dispatcher->heard = false;
    dispatcher->failing_until = 0;
    dispatcher->since = dispatcher->pool->loop->now;
    dispatcher_expect(dispatcher);
    if (loop_watch(channel->loop, &channel->source) != 0) {
        log_error("cannot watch dispatcher %u: %m; killing it", dispatcher->index);
        end(dispatcher);
    }
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
    if (!dispatcher_owes(dispatcher))
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

int dispatcher_ask(struct dispatcher *dispatcher, const union message *request,
                   const int *descriptors)
{
    if (dispatcher_flush(dispatcher) != 0)
        return -1;
    if (channel_ask(&dispatcher->channel, request, descriptors) != 0)
        return fail_to_send(dispatcher, errno);
    if (dispatcher->due == 0)
        dispatcher_expect(dispatcher);
    return 0;
}

bool dispatcher_has_process(const struct dispatcher *dispatcher)
{
    return dispatcher->state != DISPATCHER_ABSENT && dispatcher->process != 0 &&
           dispatcher->channel.peer >= 0;
}

struct dispatcher *dispatcher_find(struct pool *pool, pid_t process)
{
    for (unsigned i = 0; i <= pool->count; i++)
        if (dispatcher_has_process(&pool->dispatchers[i]) &&
            pool->dispatchers[i].process == process)
            return &pool->dispatchers[i];
    return NULL;
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

/* ---- replacing ----
 *
 * The supervisor cannot start a process, so it sends FORK to a dispatcher that is ready. */

struct dispatcher *dispatcher_find_ready(struct pool *pool, int avoided)
{
    const unsigned all = pool->count + 1;
    const unsigned from = avoided < 0 ? all : (unsigned)avoided;
    struct dispatcher *best = NULL;

    for (unsigned i = 1; i <= all; i++) {
        struct dispatcher *each = &pool->dispatchers[(from + all - i) % all];

        if (each->state != DISPATCHER_READY || ((int)each->index == avoided && best != NULL))
            continue;
        if (!channel_owes(&each->channel))
            return each;
        if (best == NULL || each->due > best->due)
            best = each;
    }
    return best;
}

/* Returns 0, or -1 with errno. */
static int fork_one(struct dispatcher *dispatcher, struct dispatcher *parent)
{
    struct channel *channel = &dispatcher->channel;
    union message request;

    if (channel_open(channel, dispatcher->pool->reserve) != 0)
        return -1;
    wire_header(&request, MESSAGE_FORK, dispatcher->index, dispatcher->generation + 1);
    request.fork.spare = dispatcher->index == dispatcher->pool->count;
    dispatcher->avoided = (int)parent->index;
    if (dispatcher_ask(parent, &request, (int[]){channel->peer, channel->memory}) != 0)
        return -1;
    dispatcher_begin(dispatcher, 0, (int)parent->index);
    return 0;
}

void dispatcher_restart(void *context)
{
    struct dispatcher *dispatcher = context;
    struct dispatcher *parent = dispatcher_find_ready(dispatcher->pool, dispatcher->avoided);

    if (parent == NULL)
        dispatcher_postpone(dispatcher);
    else if (fork_one(dispatcher, parent) != 0)
        dispatcher_failed(dispatcher, errno);
    channel_fill_reserve(dispatcher->pool->reserve);
}
