#include "tests/dispatcher/hostile/hostile.h"

#include "dispatcher/shared/wire.h"
#include "tests/shared/check.h"
#include "tests/shared/raw.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

const struct shape shapes[MESSAGE_TYPES] = {
    [MESSAGE_READY] = {sizeof(struct message_header), false, 0, 0},
    [MESSAGE_START] = {sizeof(struct message_start), true, 1, MESSAGE_STARTED},
    [MESSAGE_STARTED] = {sizeof(struct message_started), false, 0, 0},
    [MESSAGE_FAILED] = {sizeof(struct message_failed), false, 0, 0},
    [MESSAGE_EXITED] = {sizeof(struct message_exited), false, 0, 0},
    [MESSAGE_SIGNAL] = {sizeof(struct message_signal), true, 0, MESSAGE_SIGNALLED},
    [MESSAGE_SIGNALLED] = {sizeof(struct message_header), false, 0, 0},
    [MESSAGE_PING] = {sizeof(struct message_header), true, 0, MESSAGE_PONG},
    [MESSAGE_PONG] = {sizeof(struct message_header), false, 0, 0},
    [MESSAGE_ROLL] = {sizeof(struct message_header), true, 0, MESSAGE_ROLLED},
    [MESSAGE_LISTED] = {sizeof(struct message_listed), false, 0, 0},
    [MESSAGE_ROLLED] = {sizeof(struct message_header), false, 0, 0},
};

static struct wire_inbox inbox;
static uint32_t busy; /* a set: slots whose STARTs may be unanswered */

/* ---- answers ---- */

void await_ready(void)
{
    union message message;
    int descriptor;

    CHECK(wire_receive(&inbox, hostile.channel, WIRE_TYPE(MESSAGE_READY), &message, &descriptor,
                       0) == WIRE_MESSAGE);
}

bool await_readable(int descriptor)
{
    struct pollfd event = {.fd = descriptor, .events = POLLIN};

    return poll(&event, 1, PATIENCE) > 0;
}

static void enter(const union message *message)
{
    unsigned type = message->header.type;

    if (type == MESSAGE_LISTED)
        return; /* as many as there are handlers at that moment */
    if (type == MESSAGE_STARTED) {
        hostile.started = message->started;
        hostile.due[MESSAGE_EXITED]++;
    } else if (type == MESSAGE_EXITED) {
        hostile.exited = message->exited;
        CHECK(message->exited.finished == 0); /* its handlers are no workers */
    }
    hostile.came[type == MESSAGE_FAILED ? MESSAGE_STARTED : type]++;
}

/* Reads all answers that have come. */
static void hear(void)
{
    const unsigned permitted = WIRE_TYPE(MESSAGE_STARTED) | WIRE_TYPE(MESSAGE_FAILED) |
                               WIRE_TYPE(MESSAGE_EXITED) | WIRE_TYPE(MESSAGE_SIGNALLED) |
                               WIRE_TYPE(MESSAGE_PONG) | WIRE_TYPE(MESSAGE_LISTED) |
                               WIRE_TYPE(MESSAGE_ROLLED);

    for (;;) {
        union message message;
        int descriptor;
        enum wire_result result =
            wire_receive(&inbox, hostile.channel, permitted, &message, &descriptor, MSG_DONTWAIT);

        if (result == WIRE_EMPTY)
            return;
        CHECK(result == WIRE_MESSAGE);
        if (result != WIRE_MESSAGE)
            exit(1); /* the dispatcher is dead or has violated the protocol */
        if (descriptor >= 0)
            (void)close(descriptor);
        enter(&message);
    }
}

void await_answers(enum message_type type)
{
    while (hostile.came[type] < hostile.due[type] && await_readable(hostile.channel))
        hear();
    CHECK(hostile.came[type] == hostile.due[type]);
}

void settle(void)
{
    for (unsigned type = 0; type < MESSAGE_TYPES; type++)
        await_answers((enum message_type)type);
    hear();
    CHECK(memcmp(hostile.due, hostile.came, sizeof(hostile.due)) == 0);
    CHECK(count_handled() == hostile.due[MESSAGE_EXITED]);
}

/* ---- requests ---- */

size_t read_request(const char *bytes, size_t length, union message *message)
{
    const struct shape *shape;

    if (length < sizeof(message->header))
        return 0;
    memcpy(&message->header, bytes, sizeof(message->header));
    if (message->header.version != PROTOCOL_VERSION || message->header.type >= MESSAGE_TYPES)
        return 0;
    shape = &shapes[message->header.type];
    if (!shape->is_request || length < shape->length)
        return 0;
    memcpy(message, bytes, shape->length);
    return shape->length;
}

/* What protocol.h requires a dispatcher to do with a packet. */
struct effect {
    unsigned answers[MESSAGE_TYPES];
    uint32_t slots;   /* a set: slots of the STARTs that will be answered */
    unsigned count;   /* messages */
    unsigned brought; /* descriptors */
};

static void add_effect(struct effect *effect, const union message *message)
{
    const struct shape *shape = &shapes[message->header.type];

    effect->count++;
    effect->brought += shape->descriptors;
    if (message->header.type == MESSAGE_START) {
        uint32_t slot = message->start.slot;

        if (slot >= PROTOCOL_SLOTS || (effect->slots & 1u << slot) != 0)
            return; /* ignored */
        effect->slots |= 1u << slot;
    }
    if (shape->answer != 0)
        effect->answers[shape->answer]++;
}

static struct effect effect_of(const char *bytes, size_t length, unsigned descriptors)
{
    const struct effect none = {.count = 0};
    struct effect effect = none;
    union message message;

    for (size_t at = 0, size; at < length; at += size) {
        size = read_request(bytes + at, length - at, &message);
        if (size == 0)
            return none;
        add_effect(&effect, &message);
    }
    return effect.count > PROTOCOL_BATCH || effect.brought != descriptors ? none : effect;
}

/* Records which answers the packet requires. */
static void expect(const char *bytes, size_t length, unsigned descriptors)
{
    struct effect effect = effect_of(bytes, length, descriptors);

    /* A START in a busy slot is ignored.  Only the answer shows that the slot is free. */
    if ((effect.slots & busy) != 0) {
        await_answers(MESSAGE_STARTED);
        busy = 0;
    }
    busy |= effect.slots;
    for (unsigned type = 0; type < MESSAGE_TYPES; type++)
        hostile.due[type] += effect.answers[type];
}

void say(const void *bytes, size_t length, const int *descriptors, unsigned count)
{
    expect(bytes, length, count);
    while (raw_send_each(hostile.channel, bytes, length, descriptors, count, MSG_DONTWAIT) < 0) {
        struct pollfd event = {.fd = hostile.channel, .events = POLLIN | POLLOUT};

        if (errno != EAGAIN || poll(&event, 1, PATIENCE) <= 0)
            give_up("sendmsg");
        hear();
    }
    hear();
}

union message request(enum message_type type)
{
    union message message;

    wire_header(&message, type, 1, 1);
    return message;
}

void ask(const union message *message, const int *descriptors)
{
    const struct shape *shape = &shapes[message->header.type];

    say(message, shape->length, descriptors, shape->descriptors);
}

void ask_start(uint32_t slot)
{
    union message message = request(MESSAGE_START);

    message.start.slot = slot;
    ask(&message, hostile.kinds);
}

void ask_signal(int32_t process, int32_t signal_number)
{
    union message message = request(MESSAGE_SIGNAL);

    message.signal.process = process;
    message.signal.signal = signal_number;
    ask(&message, hostile.kinds);
}

void append(struct packet *packet, const union message *message)
{
    size_t length = shapes[message->header.type].length;

    if (length == 0)
        give_up("a type of message that the table of shapes lacks");
    memcpy(packet->bytes + packet->length, message, length);
    packet->length += length;
}
