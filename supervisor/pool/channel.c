#include "supervisor/pool/channel.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/release.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static void on_readable(void *context);

static_assert((int)PROTOCOL_BATCH >= (int)PROTOCOL_SLOTS,
              "all STARTs that one dispatcher can be given go in one packet");

void channel_prepare(struct channel *channel, struct loop *loop,
                     const struct channel_events *events)
{
    *channel = (struct channel){
        .loop = loop,
        .events = *events,
        .source = {.descriptor = -1, .ready = on_readable, .context = channel},
        .peer = -1,
    };
}

void channel_open(struct channel *channel, const struct ends *ends)
{
    channel->source.descriptor = ends->socket;
    channel->peer = ends->peer;
    channel->requests = (struct requests){.starts = {.ledger = ends->ledger}};
    wire_withdraw(&channel->outbox);
    wire_discard(&channel->inbox);
    channel->closed = false;
    channel->distrusted = false;
    channel->heard = false;
    if (loop_watch(channel->loop, &channel->source) == 0)
        return;
    /* What it says will not be heard; so it must not go on.  Its successor may be luckier. */
    log_error("cannot watch a dispatcher: %m");
    channel->events.broken(channel->events.context);
}

int channel_ask(struct channel *channel, const union message *request, const int *descriptors)
{
    if (wire_send(channel->source.descriptor, request, descriptors, MSG_DONTWAIT) != 0)
        return -1;
    requests_add(&channel->requests, request);
    return 0;
}

void channel_start(struct channel *channel, union message *start, int descriptor)
{
    start->start.slot = starts_prepare(&channel->requests.starts);
    if (!wire_add(&channel->outbox, start, &descriptor))
        log_bug("there is no room for another START");
    requests_add(&channel->requests, start);
}

int channel_flush(struct channel *channel,
                  void (*each)(void *context, uint32_t client, uint64_t ticket), void *context)
{
    if (channel->outbox.count == 0)
        return 0;
    if (wire_flush(&channel->outbox, channel->source.descriptor, MSG_DONTWAIT) != 0)
        return -1;
    starts_sent(&channel->requests.starts, each, context);
    return 0;
}

void channel_withdraw(struct channel *channel,
                      void (*each)(void *context, uint32_t client, uint64_t ticket), void *context)
{
    wire_withdraw(&channel->outbox);
    starts_withdraw(&channel->requests.starts, each, context);
}

/* ---- hearing ---- */

static bool take_message(struct channel *channel, const union message *message, int descriptor)
{
    const struct channel_events *events = &channel->events;

    switch (message->header.type) {
    case MESSAGE_READY:
        return events->ready(events->context, message->ready.process);
    case MESSAGE_EXITED:
        return events->exited(events->context, &message->exited);
    default:
        if (!requests_answer(&channel->requests, message))
            return false;
        events->answered(events->context, message, descriptor);
        return true;
    }
}

static void distrust(struct channel *channel)
{
    channel->distrusted = true;
    wire_discard(&channel->inbox); /* nor is what it said along with that */
    loop_ignore(channel->loop, &channel->source);
    log_error("a dispatcher said what none may say: ending it");
    channel->events.broken(channel->events.context);
}

static void hear_message(struct channel *channel, const union message *message, int descriptor)
{
    if (take_message(channel, message, descriptor)) {
        channel->heard = true;
        return;
    }
    if (descriptor >= 0)
        release(descriptor);
    distrust(channel);
}

/* What is heard may close it; and one that is not believed may go on for ever. */
static bool is_heard(const struct channel *channel)
{
    return !channel->closed && !channel->distrusted && channel->source.descriptor >= 0;
}

/* In either case it must be dead before the ledger says anything. */
static void stop_hearing(struct channel *channel)
{
    loop_ignore(channel->loop, &channel->source);
    channel->events.broken(channel->events.context);
}

/* Hears the next message; returns whether there may be more. */
static bool hear_next(struct channel *channel)
{
    const unsigned permitted = WIRE_TYPE(MESSAGE_READY) | WIRE_TYPE(MESSAGE_STARTED) |
                               WIRE_TYPE(MESSAGE_FAILED) | WIRE_TYPE(MESSAGE_EXITED) |
                               WIRE_TYPE(MESSAGE_SIGNALLED) | WIRE_TYPE(MESSAGE_FORKED) |
                               WIRE_TYPE(MESSAGE_CONTENT) | WIRE_TYPE(MESSAGE_PONG);
    union message message;
    int descriptors[WIRE_DESCRIPTORS];

    switch (wire_receive(&channel->inbox, channel->source.descriptor, permitted, &message,
                         descriptors, MSG_DONTWAIT)) {
    case WIRE_MESSAGE:
        hear_message(channel, &message, descriptors[0]);
        return is_heard(channel);
    case WIRE_NO_DESCRIPTOR:
        /* We had no room for it.  Of CONTENT that is as if it could not be read. */
        if (message.header.type == MESSAGE_CONTENT)
            message.content.error = EMFILE;
        hear_message(channel, &message, -1);
        return is_heard(channel);
    case WIRE_MALFORMED:
        distrust(channel);
        return false;
    case WIRE_EMPTY:
        return false;
    case WIRE_CLOSED:
        channel->closed = true;
        stop_hearing(channel);
        return false;
    default:
        log_error("cannot hear a dispatcher: %m; ending it");
        stop_hearing(channel);
        return false;
    }
}

void channel_hear(struct channel *channel)
{
    bool more = is_heard(channel);

    while (more)
        more = hear_next(channel);
}

/* One packet: if there is another, the loop will come back. */
static void on_readable(void *context)
{
    struct channel *channel = context;
    bool more = is_heard(channel);

    while (more)
        more = hear_next(channel) && wire_is_left(&channel->inbox);
}

/* ---- holding ---- */

/* The signal is sent with the rights of the dispatcher, which made itself the owner of its end. The
 * kernel may lack the memory to note that, in a moment. */
static bool arm(const struct channel *channel, int signal_number)
{
    enum { TRIES = 3 };

    if (channel->peer < 0)
        return true;
    for (int try = 0; try < TRIES; try++)
        if (fcntl(channel->peer, F_SETSIG, signal_number) == 0 &&
            fcntl(channel->peer, F_SETFL, O_ASYNC) == 0)
            return true;
    log_error("cannot arm the leash of a dispatcher: %m");
    return false;
}

void channel_kill(struct channel *channel)
{
    wire_withdraw(&channel->outbox);
    (void)arm(channel, SIGKILL); /* otherwise it ends by the next, unless it is stuck */
    /* Fails only if it is done already. */
    (void)shutdown(channel->source.descriptor, SHUT_WR);
}

void channel_rouse(struct channel *channel)
{
    union message message;

    if (channel->peer < 0 || !arm(channel, SIGCONT))
        return; /* it will be roused again */
    wire_header(&message, MESSAGE_ROUSE, 0, 0);
    /* If there is no room for it, there is something for it to read; but it is not woken then. */
    (void)wire_send(channel->source.descriptor, &message, NULL, MSG_DONTWAIT);
    if (fcntl(channel->peer, F_SETFL, 0) != 0)
        log_error("cannot disarm the leash of a dispatcher: %m"); /* SIGCONT again does no harm */
}

/* What we have asked ourselves; but for START it is of no interest any more. */
static void take_back(struct channel *channel, const union message *request,
                      const int descriptors[WIRE_DESCRIPTORS])
{
    if (request->header.type == MESSAGE_START && descriptors[0] >= 0) {
        starts_recover(&channel->requests.starts, &request->header, descriptors[0]);
        return;
    }
    for (int i = 0; i < WIRE_DESCRIPTORS; i++)
        if (descriptors[i] >= 0)
            release(descriptors[i]); /* of a dispatcher that never began */
}

void channel_empty(struct channel *channel)
{
    struct wire_inbox inbox = {0};
    enum wire_result result = WIRE_MESSAGE;

    if (channel->peer < 0)
        return;
    /* Only the first message of all, struct setup, is not of the kind, and may lie there still. */
    while (result == WIRE_MESSAGE || result == WIRE_NO_DESCRIPTOR || result == WIRE_MALFORMED) {
        union message message = {0};
        int descriptors[WIRE_DESCRIPTORS] = {-1, -1};

        result = wire_receive(&inbox, channel->peer, ~0u, &message, descriptors, MSG_DONTWAIT);
        if (result == WIRE_MESSAGE)
            take_back(channel, &message, descriptors);
    }
    (void)close(channel->peer); /* for end of file to tell that nobody else has it either */
    channel->peer = -1;
}

void channel_leave(struct channel *channel)
{
    loop_ignore(channel->loop, &channel->source);
    channel->source.descriptor = -1;
    channel->requests = (struct requests){0};
    wire_withdraw(&channel->outbox);
    wire_discard(&channel->inbox);
}

void channel_close(struct channel *channel)
{
    if (channel->source.descriptor >= 0) {
        struct ends ends = {
            .socket = channel->source.descriptor,
            .peer = channel->peer,
            .memory = -1,
            .ledger = channel->requests.starts.ledger,
        };

        starts_forget(&channel->requests.starts);
        channel_leave(channel);
        ends_close(&ends); /* nothing of ours is buffered in it */
    } else if (channel->peer >= 0) {
        (void)close(channel->peer);
    }
    channel->peer = -1;
}
