#include "supervisor/dispatcher.h"

#include "dispatcher/log.h"
#include "dispatcher/wire.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    /* One that dies younger than this has its successor delayed: its death may be its own fault. */
    SHORT_LIFE = LOOP_SECOND,
    /* One that answers nothing for so long is stuck, in the exec of a handler on a dead file system
     * perhaps, or stopped.  Ending it loses nothing, and frees the clients it has not started. */
    PATIENCE = 10 * LOOP_SECOND,
    RESTART_FIRST = 10 * LOOP_MILLISECOND,
    RESTART_LONGEST = 250 * LOOP_MILLISECOND,
    LAUNCH_LONGEST = 5 * LOOP_SECOND /* where there is no room for another process */
};

/* ---- its answers ---- */

/* It has answered, or been asked: counts its time anew. */
static void expect_answer(struct dispatcher *dispatcher)
{
    bool due = (dispatcher->state == DISPATCHER_READY && dispatcher->starts.count > 0) ||
               dispatcher->state == DISPATCHER_STARTING;

    dispatcher->answer_due = dispatcher->loop->now + PATIENCE;
    dispatcher->patience.deadline = due ? dispatcher->answer_due : 0;
}

static bool take_answer(struct dispatcher *dispatcher, const union message *message)
{
    const struct dispatcher_events *events = dispatcher->events;
    const struct message_header *header = &message->header;

    if (!starts_answer(&dispatcher->starts, header))
        return false;
    expect_answer(dispatcher);
    if (header->type == MESSAGE_STARTED)
        events->started(events->context, dispatcher->index, header->client, header->ticket,
                        message->started.process);
    else
        events->failed(events->context, header->client, header->ticket, message->failed.error);
    return true;
}

static bool take_ready(struct dispatcher *dispatcher)
{
    if (dispatcher->state == DISPATCHER_READY)
        return false; /* said twice */
    if (dispatcher->state == DISPATCHER_STARTING) {
        dispatcher->state = DISPATCHER_READY;
        expect_answer(dispatcher);
        log_debug("dispatcher %u: ready, process %d", dispatcher->index, dispatcher->process);
    }
    return true;
}

static bool take_message(struct dispatcher *dispatcher, const union message *message)
{
    const struct dispatcher_events *events = dispatcher->events;

    switch (message->header.type) {
    case MESSAGE_READY:
        return take_ready(dispatcher);
    case MESSAGE_STARTED:
        return message->started.process > 0 && take_answer(dispatcher, message);
    case MESSAGE_FAILED:
        return message->failed.error > 0 && take_answer(dispatcher, message);
    case MESSAGE_EXITED:
        return events->exited(events->context, dispatcher->index, &message->exited);
    default:
        return false;
    }
}

/* ---- its end ---- */

/* Death makes the ledger final; until then nothing that it was given may be given to another. */
static void end_process(struct dispatcher *dispatcher)
{
    dispatcher->state = DISPATCHER_ENDING;
    dispatcher->patience.deadline = 0;
    if (!dispatcher->reaped && kill(dispatcher->process, SIGKILL) != 0)
        log_bug("cannot kill dispatcher %u, process %d, a child that was not reaped: %m",
                dispatcher->index, dispatcher->process);
}

static void forget(struct dispatcher *dispatcher)
{
    loop_ignore(dispatcher->loop, &dispatcher->source);
    if (dispatcher->peer >= 0)
        (void)close(dispatcher->peer);
    dispatcher->peer = -1;
    if (dispatcher->source.descriptor >= 0) {
        (void)close(dispatcher->source.descriptor); /* all there was to read has been read */
        (void)munmap(dispatcher->starts.ledger, sizeof(*dispatcher->starts.ledger));
    }
    free(dispatcher->remains);
    dispatcher->remains = NULL;
    dispatcher->source.descriptor = -1;
    dispatcher->starts = (struct starts){0};
    dispatcher->state = DISPATCHER_ABSENT;
    dispatcher->patience.deadline = 0;
}

/* A child of it is between clone and exec: that is watched apart from its successor. */
static void leave_remains(struct dispatcher *dispatcher)
{
    struct remains *remains = dispatcher->remains;

    loop_ignore(dispatcher->loop, &dispatcher->source);
    *remains = (struct remains){
        .loop = dispatcher->loop,
        .events = &dispatcher->events->unanswered,
        .source = {.descriptor = dispatcher->source.descriptor},
        .starts = dispatcher->starts,
    };
    if (remains_watch(remains, dispatcher->left) == 0) {
        dispatcher->remains = NULL;
        dispatcher->source.descriptor = -1;
        return;
    }
    log_error("cannot watch what dispatcher %u left behind: %m; taking its handlers for started",
              dispatcher->index);
    starts_decide(&dispatcher->starts, true, remains->events);
}

static void schedule_successor(struct dispatcher *dispatcher)
{
    uint64_t now = dispatcher->loop->now;

    if (dispatcher->replaced)
        dispatcher->restart.deadline =
            backoff_holds(&dispatcher->backoff, now) ? dispatcher->backoff.until : now;
}

/* It is dead, and all it said has been heard. */
static void settle(struct dispatcher *dispatcher)
{
    const struct dispatcher_events *events = dispatcher->events;

    starts_decide(&dispatcher->starts, dispatcher->closed, &events->unanswered);
    if (dispatcher->starts.count > 0)
        leave_remains(dispatcher);
    events->gone(events->context, dispatcher->index);
    forget(dispatcher);
    schedule_successor(dispatcher);
}

static void distrust(struct dispatcher *dispatcher)
{
    log_error("dispatcher %u, process %d, said what none may say: ending it", dispatcher->index,
              dispatcher->process);
    dispatcher->distrusted = true;
    end_process(dispatcher);
}

/* It has ended, or cannot be heard any more; in either case it must be dead before it is settled.
 */
static void stop_hearing(struct dispatcher *dispatcher)
{
    loop_ignore(dispatcher->loop, &dispatcher->source);
    end_process(dispatcher);
}

/* Hears all that it has said. */
static void hear(void *context)
{
    struct dispatcher *dispatcher = context;
    const unsigned permitted = WIRE_TYPE(MESSAGE_READY) | WIRE_TYPE(MESSAGE_STARTED) |
                               WIRE_TYPE(MESSAGE_FAILED) | WIRE_TYPE(MESSAGE_EXITED);

    while (!dispatcher->closed) {
        union message message;
        int none;

        switch (
            wire_receive(dispatcher->source.descriptor, permitted, &message, &none, MSG_DONTWAIT)) {
        case WIRE_MESSAGE:
            if (!dispatcher->distrusted && !take_message(dispatcher, &message))
                distrust(dispatcher);
            break;
        case WIRE_NO_DESCRIPTOR:
        case WIRE_MALFORMED:
            if (!dispatcher->distrusted)
                distrust(dispatcher);
            break;
        case WIRE_EMPTY:
            return;
        case WIRE_CLOSED:
            dispatcher->closed = true;
            stop_hearing(dispatcher);
            return;
        case WIRE_ERROR:
            log_error("cannot hear dispatcher %u, process %d: %m; ending it", dispatcher->index,
                      dispatcher->process);
            stop_hearing(dispatcher);
            return;
        }
    }
}

static void log_death(const struct dispatcher *dispatcher, int status)
{
    if (!dispatcher->replaced)
        return; /* it was to end */
    if (WIFSIGNALED(status))
        log_warning("dispatcher %u, process %d, was killed by signal %d: replacing it",
                    dispatcher->index, dispatcher->process, WTERMSIG(status));
    else
        log_warning("dispatcher %u, process %d, exited with status %d: replacing it",
                    dispatcher->index, dispatcher->process, WEXITSTATUS(status));
}

/* Requests that it has not read hold copies of clients' descriptors, and a child of its whose exec
 * hangs would keep them open with its end of the socket: those clients would not see the end of
 * their connections.  Received without room for descriptors, they are closed by the kernel.  After
 * that our copy must go as well, for end of file to tell that there is no such child. */
static void empty_peer(struct dispatcher *dispatcher)
{
    char byte;

    while (recv(dispatcher->peer, &byte, sizeof(byte), MSG_DONTWAIT) > 0)
        ;
    (void)close(dispatcher->peer);
    dispatcher->peer = -1;
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
    empty_peer(dispatcher);
    hear(dispatcher); /* what it said before it died counts */
    settle(dispatcher);
}

/* ---- its beginning ---- */

int dispatcher_begin(struct dispatcher *dispatcher)
{
    struct launched launched;

    dispatcher->remains = malloc(sizeof(*dispatcher->remains));
    if (dispatcher->remains == NULL || launch_dispatcher(dispatcher->launch, &launched) != 0) {
        free(dispatcher->remains);
        dispatcher->remains = NULL;
        return -1;
    }
    dispatcher->process = launched.process;
    dispatcher->starts = (struct starts){.ledger = launched.ledger};
    dispatcher->source.descriptor = launched.socket;
    dispatcher->peer = launched.peer;
    dispatcher->state = DISPATCHER_STARTING;
    dispatcher->reaped = false;
    dispatcher->closed = false;
    dispatcher->distrusted = false;
    dispatcher->since = dispatcher->loop->now;
    expect_answer(dispatcher);
    if (loop_watch(dispatcher->loop, &dispatcher->source) != 0) {
        /* What it says will not be heard; so it must not go on.  Its successor may be luckier. */
        log_error("cannot watch dispatcher %u: %m", dispatcher->index);
        end_process(dispatcher);
    }
    return 0;
}

static void lose_patience(void *context)
{
    struct dispatcher *dispatcher = context;

    hear(dispatcher); /* an answer may lie there unread */
    if (dispatcher->state == DISPATCHER_ENDING || dispatcher->patience.deadline != 0 ||
        (dispatcher->state == DISPATCHER_READY && dispatcher->starts.count == 0))
        return;
    if (dispatcher->loop->now - dispatcher->answer_due > LOOP_SECOND) {
        /* It was we who slept, frozen perhaps together with it. */
        expect_answer(dispatcher);
        return;
    }
    log_warning("dispatcher %u, process %d, has not answered for 10 s: ending it",
                dispatcher->index, dispatcher->process);
    end_process(dispatcher);
}

static void begin_successor(void *context)
{
    struct dispatcher *dispatcher = context;

    if (dispatcher_begin(dispatcher) == 0)
        return;
    if (dispatcher->backoff.longest != LAUNCH_LONGEST)
        log_warning("cannot start dispatcher %u, trying again: %m", dispatcher->index);
    dispatcher->backoff.longest = LAUNCH_LONGEST;
    backoff_failed(&dispatcher->backoff, dispatcher->loop->now);
    schedule_successor(dispatcher);
}

void dispatcher_open(struct dispatcher *dispatcher, unsigned index, struct loop *loop,
                     struct launch *launch, const struct dispatcher_events *events,
                     struct remains **left)
{
    *dispatcher = (struct dispatcher){
        .index = index,
        .loop = loop,
        .launch = launch,
        .events = events,
        .left = left,
        .source = {.descriptor = -1, .ready = hear, .context = dispatcher},
        .peer = -1,
        .backoff = {.first = RESTART_FIRST, .longest = RESTART_LONGEST},
        .restart = {.expired = begin_successor, .context = dispatcher},
        .patience = {.expired = lose_patience, .context = dispatcher},
    };
    loop_add_timer(loop, &dispatcher->restart);
    loop_add_timer(loop, &dispatcher->patience);
}

void dispatcher_keep(struct dispatcher *dispatcher)
{
    dispatcher->replaced = true;
    if (dispatcher->state == DISPATCHER_ABSENT)
        schedule_successor(dispatcher);
}

int dispatcher_await(struct dispatcher *dispatcher, uint64_t deadline)
{
    struct pollfd event = {.fd = dispatcher->source.descriptor, .events = POLLIN};
    uint64_t now = loop_clock();
    int left = now < deadline ? (int)((deadline - now) / LOOP_MILLISECOND) : 0;

    if (poll(&event, 1, left) > 0)
        hear(dispatcher);
    if (dispatcher->state == DISPATCHER_READY)
        return 0;
    log_error("dispatcher %u, process %d, did not become ready", dispatcher->index,
              dispatcher->process);
    return -1;
}

/* ---- its work ---- */

unsigned dispatcher_room(const struct dispatcher *dispatcher)
{
    return dispatcher->state == DISPATCHER_READY ? PROTOCOL_SLOTS - dispatcher->starts.count : 0;
}

int dispatcher_start(struct dispatcher *dispatcher, union message *start, int descriptor)
{
    start->start.slot = starts_prepare(&dispatcher->starts);
    if (wire_send(dispatcher->source.descriptor, start, descriptor, MSG_DONTWAIT) != 0) {
        int error = errno;
        if (error == EPIPE || error == ECONNRESET)
            end_process(dispatcher);
        errno = error;
        return -1;
    }
    starts_add(&dispatcher->starts, start->start.slot, &start->header);
    if (dispatcher->starts.count == 1)
        expect_answer(dispatcher);
    return 0;
}

int dispatcher_signal(struct dispatcher *dispatcher, const union message *signal)
{
    return wire_send(dispatcher->source.descriptor, signal, -1, MSG_DONTWAIT);
}

bool dispatcher_reaped(struct dispatcher *dispatcher, pid_t process, uint32_t *client,
                       uint64_t *ticket)
{
    return starts_reaped(&dispatcher->starts, process, client, ticket);
}

void dispatcher_close(struct dispatcher *dispatcher)
{
    dispatcher->replaced = false;
    dispatcher->restart.deadline = 0;
    if (dispatcher->state == DISPATCHER_ABSENT)
        return;
    end_process(dispatcher);
    /* After SIGKILL this does not wait long, and cannot fail but for a signal. */
    while (!dispatcher->reaped && waitpid(dispatcher->process, NULL, 0) < 0 && errno == EINTR)
        ;
    forget(dispatcher);
}
