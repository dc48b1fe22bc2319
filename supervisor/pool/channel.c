#include "supervisor/pool/channel.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/release.h"
#include "dispatcher/shared/rights.h"
#include "supervisor/base/stores.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static_assert((int)PROTOCOL_BATCH >= (int)PROTOCOL_SLOTS,
              "one packet takes all STARTs that a dispatcher can be given");

/* ---- opening and closing ---- */

void channel_prepare(struct channel *channel, struct loop *loop, const struct pool_events *events,
                     struct pool_known *known, void (*ready)(void *context), void *context)
{
    *channel = (struct channel){
        .loop = loop,
        .source = {.descriptor = -1, .ready = ready, .context = context},
        .peer = -1,
        .ledger = -1,
        .known = known,
        .starts = {.events = events},
    };
}

/* Makes it a closed channel of the same owner. */
static void clear(struct channel *channel)
{
    channel_prepare(channel, channel->loop, channel->starts.events, channel->known,
                    channel->source.ready, channel->source.context);
}

static struct ledger *map_ledger(int file)
{
    struct ledger *ledger =
        mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

    return ledger == MAP_FAILED ? NULL : ledger;
}

/* Returns 0, or -1 with errno. */
static int attach(struct channel *channel, const int descriptors[CHANNEL_DESCRIPTORS])
{
    channel->source.descriptor = descriptors[CHANNEL_SOCKET];
    channel->peer = descriptors[CHANNEL_PEER];
    channel->ledger = descriptors[CHANNEL_LEDGER];
    channel->starts.ledger = map_ledger(channel->ledger);
    channel->left = malloc(sizeof(*channel->left));
    return channel->starts.ledger != NULL && channel->left != NULL
               ? loop_watch(channel->loop, &channel->source)
               : -1;
}

int channel_open(struct channel *channel, const int descriptors[CHANNEL_DESCRIPTORS])
{
    if (attach(channel, descriptors) == 0)
        return 0;
    channel_close(channel);
    return -1;
}

/* Releases memory only. */
static void release_memory(struct channel *channel)
{
    free(channel->left);
    if (channel->starts.ledger != NULL)
        (void)munmap(channel->starts.ledger, sizeof(*channel->starts.ledger));
}

int channel_reopen(struct channel *channel, const int descriptors[CHANNEL_DESCRIPTORS])
{
    int error;

    if (attach(channel, descriptors) == 0)
        return 0;
    error = errno;
    release_memory(channel);
    clear(channel);
    errno = error;
    return -1;
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

    channel->known->process = 0; /* first: what is open from now on is nobody's */
    loop_ignore(channel->loop, &channel->source);
    wire_discard(&channel->inbox);
    starts_forget(&channel->starts);
    close_socket(channel->source.descriptor);
    close_socket(channel->peer);
    if (channel->ledger >= 0)
        (void)close(channel->ledger); /* the mapping is all that was used */
    release_memory(channel);
    clear(channel);
    errno = error;
}

/* ---- requests ---- */

int channel_ask(struct channel *channel, const union message *request)
{
    if (wire_send(channel->source.descriptor, request, NULL, MSG_DONTWAIT) != 0)
        return -1;
    if (request->header.type == MESSAGE_SIGNAL)
        channel->due[CHANNEL_SIGNALLED]++;
    else if (request->header.type == MESSAGE_PING)
        channel->due[CHANNEL_PONG]++;
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

void channel_finish(struct channel *channel)
{
    wire_withdraw(&channel->outbox);
    (void)shutdown(channel->source.descriptor,
                   SHUT_WR); /* fails only if there is nothing to shut */
}

/* Takes an answer off those that are due; returns false if it is not. */
static bool take(struct channel *channel, enum channel_answers answer)
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
        return take(channel, CHANNEL_SIGNALLED) || channel->rolling;
    case MESSAGE_PONG:
        return take(channel, CHANNEL_PONG) || channel->rolling;
    case MESSAGE_LISTED:
        return channel->rolling && answer->listed.process > 1;
    case MESSAGE_ROLLED:
        return channel->rolling;
    default:
        return false;
    }
}

bool channel_owes(const struct channel *channel)
{
    return channel->starts.count > 0 || channel->due[CHANNEL_SIGNALLED] > 0 ||
           channel->due[CHANNEL_PONG] > 0;
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
                             WIRE_TYPE(MESSAGE_SIGNALLED) | WIRE_TYPE(MESSAGE_PONG) |
                             WIRE_TYPE(MESSAGE_LISTED) | WIRE_TYPE(MESSAGE_ROLLED);
    enum wire_result result;

    *descriptor = -1;
    /* The last message may have had the channel closed. */
    if (channel->closed || channel->distrusted || channel->source.descriptor < 0)
        return WIRE_EMPTY;
    result = wire_receive(&channel->inbox, channel->source.descriptor, unasked | answers, message,
                          descriptor, MSG_DONTWAIT);
    if (result == WIRE_NO_DESCRIPTOR) /* this process had no room for it */
        result = WIRE_MESSAGE;
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

/* ---- after the death of the dispatcher ---- */

/* What the supervisor sends. */
static const unsigned requests = WIRE_TYPE(MESSAGE_START) | WIRE_TYPE(MESSAGE_SIGNAL) |
                                 WIRE_TYPE(MESSAGE_PING) | WIRE_TYPE(MESSAGE_ROLL);

/* Announces the connections that the next packet brings.  A supervisor that is killed while it has
 * them leaves them to the next one, which must not take them for others. */
static void announce(const struct channel *channel, struct wire_inbox *inbox)
{
    const struct pool_events *events = channel->starts.events;
    union message message;
    int descriptor; /* none is received */

    if (!wire_preview(inbox, channel->peer, requests))
        return;
    while (wire_is_left(inbox)) {
        (void)wire_receive(inbox, channel->peer, requests, &message, &descriptor, 0);
        if (message.header.type == MESSAGE_START)
            events->copied(events->context, message.header.client, message.header.ticket, true);
    }
}

void channel_empty(struct channel *channel)
{
    struct wire_inbox inbox = {0};
    enum wire_result result;

    if (channel->peer < 0)
        return;
    do {
        union message message;
        int descriptor;

        if (!wire_is_left(&inbox))
            announce(channel, &inbox);
        result = wire_receive(&inbox, channel->peer, requests, &message, &descriptor, MSG_DONTWAIT);
        if (descriptor >= 0) /* only START brings one */
            starts_recover(&channel->starts, &message.header, descriptor);
        else if (result == WIRE_NO_DESCRIPTOR)
            starts_miss(&channel->starts, &message.header);
    } while (result == WIRE_MESSAGE || result == WIRE_NO_DESCRIPTOR || result == WIRE_MALFORMED);
    channel->known->descriptors[CHANNEL_PEER] = -1;
    (void)close(channel->peer); /* without our copy, end of file means that no process has one */
    channel->peer = -1;
}

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
        int descriptor;

        result = wire_receive(&channel->inbox, channel->source.descriptor,
                              WIRE_TYPE(MESSAGE_FAILED), &message, &descriptor, MSG_DONTWAIT);
        if ((result == WIRE_MESSAGE || result == WIRE_NO_DESCRIPTOR) &&
            channel_answered(channel, &message))
            events->failed(events->context, message.header.client, message.header.ticket,
                           message.failed.error, descriptor);
        else if (descriptor >= 0)
            release(descriptor); /* the message answers no START */
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

/* Watches the children of a dead dispatcher. */
static int watch_left(struct channel *left, struct channel **list)
{
    left->source.ready = hear_children;
    left->source.context = left;
    left->list = list;
    left->next = *list;
    if (loop_watch(left->loop, &left->source) != 0)
        return -1;
    *list = left;
    return 0;
}

static struct pool_known *find_room(struct pool_books *books)
{
    for (unsigned i = 0; i < POOL_LEFT; i++)
        if (books->left[i].process == 0)
            return &books->left[i];
    return NULL;
}

int channel_leave(struct channel *channel, struct channel **list, struct pool_books *books)
{
    struct pool_known *room = find_room(books);
    struct channel *left = channel->left;

    errno = ENOSPC;
    if (room == NULL)
        return -1;
    loop_ignore(channel->loop, &channel->source);
    *left = *channel;
    left->known = room;
    left->left = NULL;
    if (watch_left(left, list) != 0)
        return -1;
    room->generation = channel->known->generation;
    room->index = channel->known->index;
    for (int i = 0; i < CHANNEL_DESCRIPTORS; i++)
        room->descriptors[i] = channel->known->descriptors[i];
    stores_settle();
    room->process = channel->known->process;
    stores_settle();
    channel->known->process = 0;
    clear(channel);
    log_debug("a dispatcher died while handlers were between clone and exec: watching them");
    return 0;
}

struct channel *channel_recall(struct loop *loop, const struct pool_events *events,
                               struct pool_known *known, struct channel **list)
{
    struct channel *left = malloc(sizeof(*left));
    int error;

    if (left == NULL)
        return NULL;
    channel_prepare(left, loop, events, known, NULL, NULL);
    left->source.descriptor = known->descriptors[CHANNEL_SOCKET];
    left->ledger = known->descriptors[CHANNEL_LEDGER];
    left->starts.ledger = map_ledger(left->ledger);
    if (left->starts.ledger != NULL && watch_left(left, list) == 0)
        return left;
    error = errno;
    release_memory(left);
    free(left);
    errno = error;
    return NULL;
}

void channel_close_left(struct channel **list)
{
    while (*list != NULL)
        close_one_left(list);
}
