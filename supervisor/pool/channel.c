#include "supervisor/pool/channel.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/release.h"
#include "dispatcher/shared/rights.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static_assert((int)PROTOCOL_BATCH >= (int)PROTOCOL_SLOTS,
              "one packet takes all STARTs that a dispatcher can be given");

/* ---- both ends ---- */

enum { RESERVED = sizeof(((struct channel_reserve *)0)->descriptors) / sizeof(int) };

void channel_fill_reserve(struct channel_reserve *reserve)
{
    for (int i = 0; i < RESERVED; i++)
        if (reserve->descriptors[i] <= 0)
            /* In the supervisor this number is always open, and is /dev/null (descriptors.h).  If
             * no copy can be had now, the next call tries again. */
            reserve->descriptors[i] = fcntl(PROTOCOL_SOCKET, F_DUPFD_CLOEXEC, PROTOCOL_LAST + 1);
}

static void empty_reserve(struct channel_reserve *reserve)
{
    for (int i = 0; i < RESERVED; i++) {
        if (reserve->descriptors[i] > 0)
            (void)close(reserve->descriptors[i]); /* it is /dev/null */
        reserve->descriptors[i] = 0;
    }
}

static int open_ledger(struct channel_ends *ends)
{
    ends->memory = memfd_create("dampener-ledger", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (ends->memory < 0)
        return -1;
    /* The seals keep a dispatcher from truncating it: reading it would kill the supervisor then. */
    if (ftruncate(ends->memory, sizeof(*ends->ledger)) != 0 ||
        fcntl(ends->memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return -1;
    ends->ledger =
        mmap(NULL, sizeof(*ends->ledger), PROT_READ | PROT_WRITE, MAP_SHARED, ends->memory, 0);
    return ends->ledger == MAP_FAILED ? -1 : 0;
}

int channel_open_ends(struct channel_ends *ends, struct channel_reserve *reserve)
{
    int pair[2] = {-1, -1};

    *ends = (struct channel_ends){.socket = -1, .peer = -1, .memory = -1, .ledger = MAP_FAILED};
    empty_reserve(reserve);
    if (open_ledger(ends) == 0 &&
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0) {
        ends->socket = pair[0];
        ends->peer = pair[1];
        return 0;
    }
    channel_close_ends(ends);
    return -1;
}

static void close_socket(int socket)
{
    if (socket < 0)
        return;
    rights_drain(socket);
    (void)close(socket); /* no data of ours is lost */
}

void channel_close_ends(struct channel_ends *ends)
{
    int error = errno;

    close_socket(ends->socket);
    close_socket(ends->peer);
    if (ends->memory >= 0)
        (void)close(ends->memory); /* no data of ours is lost */
    if (ends->ledger != MAP_FAILED)
        (void)munmap(ends->ledger, sizeof(*ends->ledger));
    errno = error;
}

/* ---- opening and closing ---- */

void channel_prepare(struct channel *channel, struct loop *loop, void (*ready)(void *context),
                     void *context)
{
    *channel = (struct channel){
        .loop = loop,
        .source = {.descriptor = -1, .ready = ready, .context = context},
        .peer = -1,
    };
}

int channel_open(struct channel *channel, const struct channel_ends *ends)
{
    channel->source.descriptor = ends->socket;
    channel->peer = ends->peer;
    channel->requests.starts.ledger = ends->ledger;
    return loop_watch(channel->loop, &channel->source);
}

void channel_leave(struct channel *channel)
{
    loop_ignore(channel->loop, &channel->source);
    channel->source.descriptor = -1;
    channel->requests = (struct channel_requests){0};
    wire_withdraw(&channel->outbox);
    wire_discard(&channel->inbox);
    channel->closed = false;
    channel->distrusted = false;
}

void channel_close(struct channel *channel)
{
    struct channel_ends ends = {
        .socket = channel->source.descriptor,
        .peer = channel->peer,
        .memory = -1,
        .ledger = channel->requests.starts.ledger,
    };

    if (ends.socket < 0)
        return; /* nothing is open, or all was left */
    starts_forget(&channel->requests.starts);
    channel_leave(channel);
    channel->peer = -1;
    channel_close_ends(&ends);
}

/* ---- requests ---- */

void channel_asked(struct channel *channel, const union message *request)
{
    struct channel_requests *requests = &channel->requests;

    switch (request->header.type) {
    case MESSAGE_SIGNAL:
        ++*(request->signal.adopted != 0 ? &requests->adopted : &requests->signals);
        break;
    case MESSAGE_FORK:
        requests->forks++;
        break;
    case MESSAGE_READ:
        requests->reads[request->read.file]++;
        break;
    case MESSAGE_PING:
        requests->pings++;
        break;
    default:
        break;
    }
}

int channel_ask(struct channel *channel, const union message *request, const int *descriptors)
{
    if (wire_send(channel->source.descriptor, request, descriptors, MSG_DONTWAIT) != 0)
        return -1;
    channel_asked(channel, request);
    return 0;
}

void channel_start(struct channel *channel, union message *start, int descriptor)
{
    struct starts *starts = &channel->requests.starts;

    start->start.slot = starts_prepare(starts);
    if (!wire_add(&channel->outbox, start, &descriptor))
        log_bug("there is no room for another START");
    starts_add(starts, start->start.slot, &start->header);
}

int channel_flush(struct channel *channel, const struct pool_events *events)
{
    if (channel->outbox.count == 0)
        return 0;
    if (wire_flush(&channel->outbox, channel->source.descriptor, MSG_DONTWAIT) != 0)
        return -1;
    starts_sent(&channel->requests.starts, events->delivered, events->context);
    return 0;
}

void channel_withdraw(struct channel *channel, const struct pool_events *events)
{
    wire_withdraw(&channel->outbox);
    starts_withdraw(&channel->requests.starts, events->undelivered, events->context);
}

/* Decrements a count; returns false if it is 0. */
static bool take(uint32_t *count)
{
    if (*count == 0)
        return false;
    --*count;
    return true;
}

bool channel_answered(struct channel *channel, const union message *answer)
{
    struct channel_requests *requests = &channel->requests;

    switch (answer->header.type) {
    case MESSAGE_STARTED:
        return answer->started.process > 1 && starts_answer(&requests->starts, &answer->header);
    case MESSAGE_FAILED:
        return answer->failed.error > 0 && starts_answer(&requests->starts, &answer->header);
    case MESSAGE_SIGNALLED:
        return take(answer->signalled.adopted != 0 ? &requests->adopted : &requests->signals);
    case MESSAGE_FORKED:
        return (answer->forked.error == 0) == (answer->forked.process > 1) &&
               take(&requests->forks);
    case MESSAGE_CONTENT:
        return answer->content.error >= 0 && answer->content.file < PROTOCOL_FILES &&
               take(&requests->reads[answer->content.file]);
    case MESSAGE_PONG:
        return take(&requests->pings);
    default:
        return false;
    }
}

bool channel_owes(const struct channel *channel)
{
    const struct channel_requests *requests = &channel->requests;
    uint32_t open = requests->starts.count + requests->signals + requests->adopted +
                    requests->forks + requests->pings;

    for (int file = 0; file < PROTOCOL_FILES; file++)
        open += requests->reads[file];
    return open > 0;
}

/* ---- messages ---- */

void channel_distrust(struct channel *channel)
{
    channel->distrusted = true;
    wire_discard(&channel->inbox); /* the rest of the packet does not count */
    loop_ignore(channel->loop, &channel->source);
}

/* The caller checks READY and EXITED itself. */
static enum channel_heard check(struct channel *channel, const union message *message,
                                int descriptor)
{
    if (message->header.type == MESSAGE_READY || message->header.type == MESSAGE_EXITED ||
        channel_answered(channel, message))
        return CHANNEL_MESSAGE;
    if (descriptor >= 0)
        release(descriptor);
    channel_distrust(channel);
    return CHANNEL_VIOLATED;
}

enum channel_heard channel_hear(struct channel *channel, union message *message, int *descriptor)
{
    const unsigned permitted = WIRE_TYPE(MESSAGE_READY) | WIRE_TYPE(MESSAGE_STARTED) |
                               WIRE_TYPE(MESSAGE_FAILED) | WIRE_TYPE(MESSAGE_EXITED) |
                               WIRE_TYPE(MESSAGE_SIGNALLED) | WIRE_TYPE(MESSAGE_FORKED) |
                               WIRE_TYPE(MESSAGE_CONTENT) | WIRE_TYPE(MESSAGE_PONG);
    int descriptors[WIRE_DESCRIPTORS];

    /* The last message may have had the channel closed. */
    if (channel->closed || channel->distrusted || channel->source.descriptor < 0)
        return CHANNEL_EMPTY;
    switch (wire_receive(&channel->inbox, channel->source.descriptor, permitted, message,
                         descriptors, MSG_DONTWAIT)) {
    case WIRE_NO_DESCRIPTOR: /* this process had no room for it */
        *descriptor = -1;
        if (message->header.type == MESSAGE_CONTENT)
            message->content.error = EMFILE;
        return check(channel, message, -1);
    case WIRE_MESSAGE:
        *descriptor = descriptors[0];
        return check(channel, message, *descriptor);
    case WIRE_MALFORMED:
        channel_distrust(channel);
        return CHANNEL_VIOLATED;
    case WIRE_EMPTY:
        return CHANNEL_EMPTY;
    case WIRE_CLOSED:
        channel->closed = true;
        loop_ignore(channel->loop, &channel->source);
        return CHANNEL_CLOSED;
    default:
        loop_ignore(channel->loop, &channel->source);
        return CHANNEL_FAILED;
    }
}

/* ---- the leash ---- */

/* Makes the next event on the dispatcher's end send a signal to the dispatcher.  The kernel sends
 * it with the dispatcher's rights, because the dispatcher made itself the owner of its end. */
static bool arm(const struct channel *channel, int signal_number)
{
    enum { TRIES = 3 }; /* the kernel may lack memory for a moment */

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
    (void)arm(channel, SIGKILL); /* without it, shutdown() still ends all but a stuck dispatcher */
    (void)shutdown(channel->source.descriptor, SHUT_WR); /* fails only if it is shut down already */
}

void channel_rouse(struct channel *channel)
{
    union message message;

    if (channel->peer < 0 || !arm(channel, SIGCONT))
        return; /* the caller rouses it again later */
    wire_header(&message, MESSAGE_ROUSE, 0, 0);
    /* If the socket is full, the dispatcher has messages to read, but is not continued now. */
    (void)wire_send(channel->source.descriptor, &message, NULL, MSG_DONTWAIT);
    if (fcntl(channel->peer, F_SETFL, 0) != 0)
        log_error("cannot disarm the leash of a dispatcher: %m"); /* more SIGCONTs do no harm */
}

/* Takes back one of our own messages, unread by the dispatcher.  Only START matters now. */
static void take_back(struct channel *channel, const union message *request,
                      const int descriptors[WIRE_DESCRIPTORS])
{
    if (request->header.type == MESSAGE_START && descriptors[0] >= 0) {
        starts_recover(&channel->requests.starts, &request->header, descriptors[0]);
        return;
    }
    for (int i = 0; i < WIRE_DESCRIPTORS; i++)
        if (descriptors[i] >= 0)
            release(descriptors[i]); /* FORK brings the ends of a dispatcher that never began */
}

void channel_empty(struct channel *channel)
{
    struct wire_inbox inbox = {0};
    enum wire_result result = WIRE_MESSAGE;

    if (channel->peer < 0)
        return;
    /* The very first message, struct setup, counts as malformed, and may still be unread. */
    while (result == WIRE_MESSAGE || result == WIRE_NO_DESCRIPTOR || result == WIRE_MALFORMED) {
        union message message = {0};
        int descriptors[WIRE_DESCRIPTORS] = {-1, -1};

        result = wire_receive(&inbox, channel->peer, ~0u, &message, descriptors, MSG_DONTWAIT);
        if (result == WIRE_MESSAGE)
            take_back(channel, &message, descriptors);
    }
    (void)close(channel->peer); /* without our copy, end of file means that no process has one */
    channel->peer = -1;
}
