#include "supervisor/pool/dispatcher.h"

#include "dispatcher/shared/log.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    /* One that dies younger than this has its successor delayed: its death may be its own fault. */
    SHORT_LIFE = LOOP_SECOND,
    /* One that answers nothing for so long is stopped, or all its handlers hang in their exec, on a
     * dead file system perhaps.  Ending it loses nothing, and frees the clients it has not started.
     */
    PATIENCE = 10 * LOOP_SECOND,
    FAILING = LOOP_SECOND, /* after a failed start the others are preferred for so long */
    RESTART_FIRST = 10 * LOOP_MILLISECOND,
    RESTART_LONGEST = 250 * LOOP_MILLISECOND,
    FORK_LONGEST = 5 * LOOP_SECOND, /* where there is no room for another process */
    WAY_GIVEN = 60 * LOOP_SECOND    /* and where that is what kept handlers from being started */
};

static bool owes_answer(const struct dispatcher *dispatcher)
{
    return dispatcher->state == DISPATCHER_STARTING ||
           (dispatcher->state == DISPATCHER_READY &&
            requests_are_open(&dispatcher->channel.requests));
}

/* It has answered, or been asked: counts its time anew. */
static void expect_answer(struct dispatcher *dispatcher)
{
    patience_renew(&dispatcher->patience, owes_answer(dispatcher));
}

static void start_has_failed(struct dispatcher *dispatcher)
{
    dispatcher->failing_until = dispatcher->loop->now + FAILING;
}

/* ---- its end ---- */

static void schedule_successor(struct dispatcher *dispatcher)
{
    uint64_t now = dispatcher->loop->now;

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
    patience_renew(&dispatcher->patience, false);
}

void dispatcher_postpone(struct dispatcher *dispatcher)
{
    backoff_failed(&dispatcher->backoff, dispatcher->loop->now);
    schedule_successor(dispatcher);
}

void dispatcher_failed(struct dispatcher *dispatcher)
{
    dispatcher->error = errno;
    forget(dispatcher);
    errno = dispatcher->error;
    if (dispatcher->replaced && dispatcher->backoff.longest != FORK_LONGEST)
        log_warning("cannot start dispatcher %u, trying again: %m", dispatcher->index);
    dispatcher->backoff.longest = FORK_LONGEST;
    dispatcher_postpone(dispatcher);
}

/* To be said of one that is ending or dead. */
static void tell_unsignalled(const struct dispatcher *dispatcher)
{
    if (dispatcher->channel.requests.adopted > 0)
        dispatcher->events->unsignalled(dispatcher->events->context);
}

/* Death makes the ledger final; until then nothing that it was given may be given to another. */
static void end(struct dispatcher *dispatcher)
{
    dispatcher->state = DISPATCHER_ENDING;
    patience_renew(&dispatcher->patience, false);
    if (!dispatcher->reaped)
        channel_kill(&dispatcher->channel);
    tell_unsignalled(dispatcher);
    if (dispatcher->process != 0)
        return;
    /* Whether it ever was a process is not known; it has not been given anything. */
    errno = ESRCH;
    dispatcher_failed(dispatcher);
}

/* A child of it is between clone and exec: that is watched apart from its successor. */
static void leave_remains(struct dispatcher *dispatcher)
{
    struct remains *remains = dispatcher->remains;
    struct channel *channel = &dispatcher->channel;

    *remains = (struct remains){
        .loop = dispatcher->loop,
        .events = &dispatcher->events->unanswered,
        .source = {.descriptor = channel->source.descriptor},
        .starts = channel->requests.starts,
    };
    loop_ignore(dispatcher->loop, &channel->source);
    if (remains_watch(remains, dispatcher->left) == 0) {
        dispatcher->remains = NULL;
        channel_leave(channel);
        return;
    }
    log_error("cannot watch what dispatcher %u left behind: %m; taking its handlers for started",
              dispatcher->index);
    starts_decide(&channel->requests.starts, true, remains->events);
}

/* It is dead, and all it said has been heard, as far as it was believed. */
static void settle(struct dispatcher *dispatcher)
{
    const struct dispatcher_events *events = dispatcher->events;
    struct channel *channel = &dispatcher->channel;

    tell_unsignalled(dispatcher);
    starts_decide(&channel->requests.starts, channel->closed, &events->unanswered);
    if (channel->requests.starts.count > 0)
        leave_remains(dispatcher);
    forget(dispatcher);
    events->gone(events->context, dispatcher->index);
    schedule_successor(dispatcher);
    dispatcher->family->died(dispatcher->family->context, dispatcher);
}

static void log_death(const struct dispatcher *dispatcher, int status)
{
    if (!dispatcher->replaced || dispatcher->gave_way)
        return; /* it was to end */
    if (WIFSIGNALED(status))
        log_warning("dispatcher %u, process %d, was killed by signal %d: replacing it",
                    dispatcher->index, dispatcher->process, WTERMSIG(status));
    else
        log_warning("dispatcher %u, process %d, exited with status %d: replacing it",
                    dispatcher->index, dispatcher->process, WEXITSTATUS(status));
}

void dispatcher_died(struct dispatcher *dispatcher, int status)
{
    uint64_t now = dispatcher->loop->now;

    log_death(dispatcher, status);
    dispatcher->backoff.longest = RESTART_LONGEST;
    if (now - dispatcher->since < SHORT_LIFE)
        backoff_failed(&dispatcher->backoff, now);
    else
        backoff_succeeded(&dispatcher->backoff);
    dispatcher->reaped = true;
    dispatcher->state = DISPATCHER_ENDING;
    channel_empty(&dispatcher->channel);
    channel_hear(&dispatcher->channel); /* what it said before it died counts */
    settle(dispatcher);
}

static void log_silence(const struct dispatcher *dispatcher, const char *consequence)
{
    log_warning("dispatcher %u, process %d, has not answered for %.3g s%s", dispatcher->index,
                dispatcher->process, (double)dispatcher->patience.allowed / LOOP_SECOND,
                consequence);
}

static void on_silence(void *context)
{
    struct dispatcher *dispatcher = context;

    channel_hear(&dispatcher->channel); /* an answer may lie there unread */
    if (!owes_answer(dispatcher) || dispatcher->patience.timer.deadline != 0)
        return;
    switch (patience_judge(&dispatcher->patience)) {
    case PATIENCE_AGAIN:
        break;
    case PATIENCE_EXTENDED:
        channel_rouse(&dispatcher->channel);
        break;
    case PATIENCE_LOST:
        if (dispatcher->process == 0 && dispatcher->parent >= 0) {
            /* It has not been forked yet: it is its parent that does not answer. */
            expect_answer(dispatcher);
        } else if (dispatcher->family->is_last(dispatcher->family->context, dispatcher)) {
            log_silence(dispatcher, ", and there is no other: waiting on");
            expect_answer(dispatcher);
        } else {
            log_silence(dispatcher, ": ending it");
            end(dispatcher);
        }
    }
}

/* ---- what it says ---- */

/* Its process is told by itself and by the one that forked it. */
static bool take_process(struct dispatcher *dispatcher, pid_t process)
{
    if (dispatcher->process == 0 &&
        dispatcher->family->may_be(dispatcher->family->context, process))
        dispatcher->process = process;
    return process > 0 && dispatcher->process == process;
}

void dispatcher_forked(struct dispatcher *dispatcher, pid_t process)
{
    dispatcher->parent = -1;
    if (dispatcher->state != DISPATCHER_STARTING || dispatcher->process != 0)
        return; /* it has said so itself */
    /* It may have died already, and been reaped as anybody's child. */
    if (process != 0 && take_process(dispatcher, process))
        return;
    if (errno == 0)
        errno = ESRCH;
    dispatcher_failed(dispatcher);
}

static bool on_ready(void *context, int32_t process)
{
    struct dispatcher *dispatcher = context;

    if (dispatcher->state == DISPATCHER_READY || !take_process(dispatcher, process))
        return false; /* said twice, or by another */
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

static void on_answered(void *context, const union message *message, int descriptor)
{
    struct dispatcher *dispatcher = context;
    const struct dispatcher_events *events = dispatcher->events;
    const struct message_header *header = &message->header;

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
    case MESSAGE_SIGNALLED:
    case MESSAGE_PONG:
        break; /* that it has come is all there is to it */
    case MESSAGE_FORKED:
        dispatcher->family->forked(dispatcher->family->context, dispatcher, message);
        break;
    default:
        events->content(events->context, message->content.file, descriptor, message->content.error);
    }
}

static bool on_exited(void *context, const struct message_exited *message)
{
    const struct dispatcher *dispatcher = context;

    return dispatcher->events->exited(dispatcher->events->context, dispatcher->index, message);
}

static void on_broken(void *context)
{
    struct dispatcher *dispatcher = context;

    if (dispatcher->state != DISPATCHER_ABSENT)
        end(dispatcher);
}

/* ---- its beginning ---- */

static void on_restart(void *context)
{
    struct dispatcher *dispatcher = context;

    dispatcher->family->due(dispatcher->family->context, dispatcher);
}

void dispatcher_open(struct dispatcher *dispatcher, unsigned index, struct loop *loop,
                     const struct dispatcher_events *events, const struct dispatcher_family *family,
                     struct remains **left, unsigned most)
{
    *dispatcher = (struct dispatcher){
        .index = index,
        .loop = loop,
        .events = events,
        .family = family,
        .left = left,
        .most = most,
        .avoided = -1,
        .backoff = {.first = RESTART_FIRST, .longest = RESTART_LONGEST},
        .restart = {.expired = on_restart, .context = dispatcher},
    };
    channel_prepare(&dispatcher->channel, loop,
                    &(struct channel_events){
                        .ready = on_ready,
                        .answered = on_answered,
                        .exited = on_exited,
                        .broken = on_broken,
                        .context = dispatcher,
                    });
    loop_add_timer(loop, &dispatcher->restart);
    patience_open(&dispatcher->patience, loop, PATIENCE, on_silence, dispatcher);
}

void dispatcher_keep(struct dispatcher *dispatcher)
{
    dispatcher->replaced = true;
    if (dispatcher->state == DISPATCHER_ABSENT)
        schedule_successor(dispatcher);
}

int dispatcher_begin(struct dispatcher *dispatcher, const struct ends *ends, pid_t process,
                     int parent)
{
    dispatcher->generation++; /* also if this fails: it may have been forked */
    dispatcher->remains = malloc(sizeof(*dispatcher->remains));
    if (dispatcher->remains == NULL) {
        struct ends unused = *ends;

        ends_close(&unused);
        errno = ENOMEM;
        return -1;
    }
    dispatcher->process = process;
    dispatcher->parent = parent;
    dispatcher->state = DISPATCHER_STARTING;
    dispatcher->reaped = false;
    dispatcher->failing_until = 0;
    dispatcher->since = dispatcher->loop->now;
    expect_answer(dispatcher);
    channel_open(&dispatcher->channel, ends);
    return 0;
}

/* Its end cannot be seen in the socket, of which we hold the other end too. */
static bool is_dead(const struct dispatcher *dispatcher)
{
    siginfo_t information = {0};

    return waitid(P_PID, (id_t)dispatcher->process, &information, WEXITED | WNOHANG | WNOWAIT) !=
               0 ||
           information.si_pid != 0;
}

int dispatcher_await(struct dispatcher *dispatcher, uint64_t deadline)
{
    enum { LOOK_AGAIN = 50 /* milliseconds */ };
    struct pollfd event = {.fd = dispatcher->channel.source.descriptor, .events = POLLIN};
    bool over = false;

    while (owes_answer(dispatcher) && !over) {
        over = is_dead(dispatcher) || loop_clock() >= deadline;
        if (poll(&event, 1, over ? 0 : LOOK_AGAIN) > 0)
            channel_hear(&dispatcher->channel);
    }
    if (dispatcher->state == DISPATCHER_READY && !owes_answer(dispatcher))
        return 0;
    log_error("dispatcher %u, process %d, did not become ready", dispatcher->index,
              dispatcher->process);
    return -1;
}

/* ---- its work ---- */

bool dispatcher_is_failing(const struct dispatcher *dispatcher)
{
    return dispatcher->loop->now < dispatcher->failing_until;
}

unsigned dispatcher_room(const struct dispatcher *dispatcher)
{
    unsigned given = dispatcher->channel.requests.starts.count;

    return dispatcher->state == DISPATCHER_READY && !dispatcher->spare && given < dispatcher->most
               ? dispatcher->most - given
               : 0;
}

/* If errno says that it cannot be sent anything any more, ends it, and returns whether it does. */
static bool is_found_dead(struct dispatcher *dispatcher)
{
    int error = errno;

    if (error != EPIPE && error != ECONNRESET)
        return false;
    end(dispatcher);
    errno = error;
    return true;
}

void dispatcher_start(struct dispatcher *dispatcher, union message *start, int descriptor)
{
    bool idle = !requests_are_open(&dispatcher->channel.requests);

    channel_start(&dispatcher->channel, start, descriptor);
    if (idle)
        expect_answer(dispatcher);
}

void dispatcher_withdraw(struct dispatcher *dispatcher)
{
    const struct dispatcher_events *events = dispatcher->events;

    channel_withdraw(&dispatcher->channel, events->undelivered, events->context);
    if (!owes_answer(dispatcher))
        expect_answer(dispatcher); /* none is */
}

int dispatcher_flush(struct dispatcher *dispatcher)
{
    const struct dispatcher_events *events = dispatcher->events;
    int error;

    if (channel_flush(&dispatcher->channel, events->delivered, events->context) == 0)
        return 0;
    error = errno;
    start_has_failed(dispatcher);
    dispatcher_withdraw(dispatcher); /* before its end, which may never come */
    errno = error;
    /* It can have refused descriptors (net/unix/af_unix.c, SO_PASSRIGHTS). */
    if (!is_found_dead(dispatcher) && error == EPERM)
        end(dispatcher);
    errno = error;
    return -1;
}

int dispatcher_ask(struct dispatcher *dispatcher, const union message *request,
                   const int *descriptors)
{
    bool idle = !requests_are_open(&dispatcher->channel.requests);

    if (dispatcher_flush(dispatcher) != 0)
        return -1;
    if (channel_ask(&dispatcher->channel, request, descriptors) != 0) {
        (void)is_found_dead(dispatcher);
        return -1;
    }
    if (idle)
        expect_answer(dispatcher);
    return 0;
}

bool dispatcher_has_process(const struct dispatcher *dispatcher)
{
    return dispatcher->state != DISPATCHER_ABSENT && dispatcher->process != 0 &&
           !dispatcher->reaped;
}

void dispatcher_hurry(struct dispatcher *dispatcher, uint64_t allowed)
{
    dispatcher->patience.allowed = allowed;
    expect_answer(dispatcher);
}

void dispatcher_give_way(struct dispatcher *dispatcher)
{
    dispatcher->gave_way = true;
    if (dispatcher->state == DISPATCHER_ABSENT) {
        schedule_successor(dispatcher);
        return;
    }
    log_warning(
        "dispatcher %u, process %d, gives way to handlers, for which there is no room among "
        "the processes; the next one is tried in %d s",
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
