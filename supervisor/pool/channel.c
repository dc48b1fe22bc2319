#include "supervisor/pool/channel.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/release.h"
#include "dispatcher/shared/rights.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static_assert((int)PROTOCOL_BATCH >= (int)PROTOCOL_SLOTS,
              "one packet takes all STARTs that a dispatcher can be given");

/* ---- opening and closing ---- */

void channel_fill_reserve(int reserve[CHANNEL_RESERVE])
{
    for (int i = 0; i < CHANNEL_RESERVE; i++)
        if (reserve[i] <= 0)
            /* In the supervisor this number is always open, and is /dev/null (descriptors.h).  If
             * no copy can be had now, the next call tries again. */
            reserve[i] = fcntl(PROTOCOL_SOCKET, F_DUPFD_CLOEXEC, PROTOCOL_LAST + 1);
}

static void empty_reserve(int reserve[CHANNEL_RESERVE])
{
    for (int i = 0; i < CHANNEL_RESERVE; i++) {
        if (reserve[i] > 0)
            (void)close(reserve[i]); /* it is /dev/null */
        reserve[i] = 0;
    }
}

static int open_ledger(struct channel *channel)
{
    struct ledger *ledger;

    channel->memory = memfd_create("dampener-ledger", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (channel->memory < 0)
        return -1;
    /* The seals keep a dispatcher from truncating it: reading it would kill the supervisor then. */
    if (ftruncate(channel->memory, sizeof(*ledger)) != 0 ||
        fcntl(channel->memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return -1;
    ledger = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE, MAP_SHARED, channel->memory, 0);
    channel->starts.ledger = ledger == MAP_FAILED ? NULL : ledger;
    return channel->starts.ledger == NULL ? -1 : 0;
}

int channel_open(struct channel *channel, int reserve[CHANNEL_RESERVE])
{
    int pair[2] = {-1, -1};
    bool opened;

    empty_reserve(reserve);
    channel->left = malloc(sizeof(*channel->left));
    opened = open_ledger(channel) == 0 && channel->left != NULL &&
             socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0;
    channel->source.descriptor = pair[0];
    channel->peer = pair[1];
    if (!opened)
        channel_close(channel);
    return opened ? 0 : -1;
}

/* Makes it a closed channel of the same owner. */
static void clear(struct channel *channel)
{
    *channel = (struct channel){
        .loop = channel->loop,
        .source = {.descriptor = -1,
                   .ready = channel->source.ready,
                   .context = channel->source.context},
        .peer = -1,
        .memory = -1,
        .starts = {.events = channel->starts.events},
    };
}

static void close_socket(int socket)
{
    if (socket < 0)
        return;
    rights_drain(socket);
    (void)close(socket); /* no data of ours is lost */
}

void channel_close(struct channel *channel)
{
    int error = errno;

    loop_ignore(channel->loop, &channel->source);
    wire_discard(&channel->inbox);
    starts_forget(&channel->starts);
    free(channel->left);
    close_socket(channel->source.descriptor);
    close_socket(channel->peer);
    if (channel->memory >= 0)
        (void)close(channel->memory); /* no data of ours is lost */
    if (channel->starts.ledger != NULL)
        (void)munmap(channel->starts.ledger, sizeof(*channel->starts.ledger));
    clear(channel);
    errno = error;
}

/* ---- requests ---- */

int channel_ask(struct channel *channel, const union message *request, const int *descriptors)
{
    if (wire_send(channel->source.descriptor, request, descriptors, MSG_DONTWAIT) != 0)
        return -1;
    switch (request->header.type) {
    case MESSAGE_SIGNAL:
        channel->due[request->signal.adopted != 0 ? CHANNEL_ADOPTED : CHANNEL_SIGNALLED]++;
        break;
    case MESSAGE_FORK:
        channel->due[CHANNEL_FORKED]++;
        break;
    case MESSAGE_READ:
        channel->due[CHANNEL_CONTENT + request->read.file]++;
        break;
    case MESSAGE_PING:
        channel->due[CHANNEL_PONG]++;
        break;
    default:
        break;
    }
    return 0;
}

void channel_start(struct channel *channel, union message *start, int descriptor)
{
    starts_add(&channel->starts, &start->start);
    if (!wire_add(&channel->outbox, start, &descriptor))
        log_bug("there is no room for another START");
}

int channel_flush(struct channel *channel)
{
    if (channel->outbox.count == 0)
        return 0;
    if (wire_flush(&channel->outbox, channel->source.descriptor, MSG_DONTWAIT) != 0)
        return -1;
    starts_sent(&channel->starts);
    return 0;
}

void channel_withdraw(struct channel *channel)
{
    wire_withdraw(&channel->outbox);
    starts_withdraw(&channel->starts);
}

/* Takes an answer off those that are due; returns false if it is not. */
static bool take(struct channel *channel, unsigned answer)
{
    if (channel->due[answer] == 0)
        return false;
    channel->due[answer]--;
    return true;
}

bool channel_answered(struct channel *channel, const union message *answer)
{
    switch (answer->header.type) {
    case MESSAGE_STARTED:
        return answer->started.process > 1 && starts_answer(&channel->starts, &answer->header);
    case MESSAGE_FAILED:
        return answer->failed.error > 0 && starts_answer(&channel->starts, &answer->header);
    case MESSAGE_SIGNALLED:
        return take(channel, answer->signalled.adopted != 0 ? CHANNEL_ADOPTED : CHANNEL_SIGNALLED);
    case MESSAGE_FORKED:
        return (answer->forked.error == 0) == (answer->forked.process > 1) &&
               take(channel, CHANNEL_FORKED);
    case MESSAGE_CONTENT:
        return answer->content.error >= 0 && answer->content.file < PROTOCOL_FILES &&
               take(channel, CHANNEL_CONTENT + answer->content.file);
    case MESSAGE_PONG:
        return take(channel, CHANNEL_PONG);
    default:
        return false;
    }
}

bool channel_owes(const struct channel *channel)
{
    uint32_t due = channel->starts.count;

    for (int i = 0; i < CHANNEL_ANSWERS; i++)
        due += channel->due[i];
    return due > 0;
}

/* ---- messages ---- */

void channel_distrust(struct channel *channel)
{
    channel->distrusted = true;
    wire_discard(&channel->inbox); /* the rest of the packet does not count */
    loop_ignore(channel->loop, &channel->source);
}

enum wire_result channel_hear(struct channel *channel, union message *message, int *descriptor)
{
    const unsigned unasked = WIRE_TYPE(MESSAGE_READY) | WIRE_TYPE(MESSAGE_EXITED);
    const unsigned answers = WIRE_TYPE(MESSAGE_STARTED) | WIRE_TYPE(MESSAGE_FAILED) |
                             WIRE_TYPE(MESSAGE_SIGNALLED) | WIRE_TYPE(MESSAGE_FORKED) |
                             WIRE_TYPE(MESSAGE_CONTENT) | WIRE_TYPE(MESSAGE_PONG);
    int descriptors[WIRE_DESCRIPTORS];
    enum wire_result result;

    /* The last message may have had the channel closed. */
    if (channel->closed || channel->distrusted || channel->source.descriptor < 0)
        return WIRE_EMPTY;
    result = wire_receive(&channel->inbox, channel->source.descriptor, unasked | answers, message,
                          descriptors, MSG_DONTWAIT);
    *descriptor = descriptors[0];
    if (result == WIRE_NO_DESCRIPTOR) { /* this process had no room for it */
        if (message->header.type == MESSAGE_CONTENT)
            message->content.error = EMFILE;
        result = WIRE_MESSAGE;
    }
    /* The caller checks READY and EXITED itself. */
    if (result == WIRE_MESSAGE && (WIRE_TYPE(message->header.type) & unasked) == 0 &&
        !channel_answered(channel, message)) {
        if (*descriptor >= 0)
            release(*descriptor);
        result = WIRE_MALFORMED;
    }
    if (result == WIRE_MALFORMED)
        channel_distrust(channel);
    else if (result == WIRE_CLOSED || result == WIRE_ERROR)
        loop_ignore(channel->loop, &channel->source);
    channel->closed = result == WIRE_CLOSED;
    return result;
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
        starts_recover(&channel->starts, &request->header, descriptors[0]);
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

/* ---- a dead dispatcher's children between clone and exec ---- */

static void close_one_left(struct channel **place)
{
    struct channel *left = *place;

    *place = left->next;
    channel_close(left);
    free(left);
}

/* Takes one packet and leaves the next to the loop, because a hostile child may send packets for
 * ever.  The dispatcher is dead, so only FAILED from one of its children counts. */
static void hear_children(void *context)
{
    struct channel *channel = context;
    const struct pool_events *events = channel->starts.events;
    struct channel **place;
    enum wire_result result;

    do {
        union message message;
        int descriptors[WIRE_DESCRIPTORS];

        result = wire_receive(&channel->inbox, channel->source.descriptor,
                              WIRE_TYPE(MESSAGE_FAILED), &message, descriptors, MSG_DONTWAIT);
        if ((result == WIRE_MESSAGE || result == WIRE_NO_DESCRIPTOR) &&
            channel_answered(channel, &message))
            events->failed(events->context, message.header.client, message.header.ticket,
                           message.failed.error, descriptors[0]);
        else if (descriptors[0] >= 0)
            release(descriptors[0]); /* the message answers no START */
    } while (wire_is_left(&channel->inbox));
    if (result == WIRE_CLOSED || result == WIRE_ERROR)
        starts_decide(&channel->starts, true);
    if (channel->starts.count > 0)
        return;
    place = channel->list;
    while (*place != channel)
        place = &(*place)->next;
    close_one_left(place);
}

int channel_leave(struct channel *channel, struct channel **list)
{
    struct channel *left = channel->left;

    loop_ignore(channel->loop, &channel->source);
    *left = *channel;
    left->source.ready = hear_children;
    left->source.context = left;
    left->left = NULL;
    left->list = list;
    left->next = *list;
    if (loop_watch(left->loop, &left->source) != 0)
        return -1;
    *list = left;
    clear(channel);
    log_debug("a dispatcher died while handlers were between clone and exec: watching them");
    return 0;
}

void channel_close_left(struct channel **list)
{
    while (*list != NULL)
        close_one_left(list);
}
