/*
 * Packets from either side: only whole messages that are permitted come out of one, with as many
 * descriptors as they bring, close-on-exec; a packet that is not sound gives nothing.
 */
#include "dispatcher/shared/wire.h"

#include "tests/fuzz/shared/fuzz.h"
#include "tests/shared/raw.h"

#include <fcntl.h>

enum { DESCRIPTORS_MAXIMUM = PROTOCOL_BATCH + 3, PACKETS = 8 };

static struct wire_inbox inbox;

/* What the protocol says of a message. */
static unsigned brings(unsigned type)
{
    return type == MESSAGE_START || type == MESSAGE_FAILED;
}

static unsigned close_one(int descriptor)
{
    if (descriptor < 0) {
        HOLDS(descriptor == -1);
        return 0;
    }
    HOLDS((fcntl(descriptor, F_GETFD) & FD_CLOEXEC) != 0);
    (void)close(descriptor);
    return 1;
}

/* All that has come out is what was sent, from its beginning to its end. */
static void take_messages(int socket, unsigned permitted, const uint8_t *sent, size_t length)
{
    union message message;
    int descriptor;
    size_t at = 0;
    enum wire_result result =
        wire_receive(&inbox, socket, permitted, &message, &descriptor, MSG_DONTWAIT);

    HOLDS(result == WIRE_MESSAGE || result == WIRE_MALFORMED);
    for (unsigned count = 0; result == WIRE_MESSAGE; count++) {
        unsigned came = close_one(descriptor);
        size_t end = wire_is_left(&inbox) ? inbox.taken : length;

        HOLDS(count < PROTOCOL_BATCH && end <= length && end > at);
        HOLDS(memcmp(&message, sent + at, end - at) == 0);
        HOLDS(message.header.version == PROTOCOL_VERSION);
        HOLDS((permitted & WIRE_TYPE(message.header.type)) != 0);
        HOLDS(came == brings(message.header.type));
        at = end;
        if (!wire_is_left(&inbox))
            return;
        result = wire_receive(&inbox, socket, permitted, &message, &descriptor, MSG_DONTWAIT);
    }
    HOLDS(result == WIRE_MALFORMED && at == 0 && !wire_is_left(&inbox));
    HOLDS(close_one(descriptor) == 0);
}

static void send_packet(const int *pair, struct fuzz_input *input, unsigned permitted)
{
    uint8_t bytes[(PROTOCOL_BATCH + 1) * sizeof(union message)];
    unsigned count = fuzz_take_byte(input) % (DESCRIPTORS_MAXIMUM + 1);
    size_t length = fuzz_take_byte(input);

    length *= sizeof(uint64_t);
    length += fuzz_take_byte(input) % 8;
    if (length > sizeof(bytes))
        length = sizeof(bytes);
    fuzz_take(input, bytes, length);
    HOLDS(raw_send(pair[0], bytes, length, STDIN_FILENO, count) == (ssize_t)length);
    take_messages(pair[1], permitted, bytes, length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    unsigned permitted = fuzz_take_number(&input);
    int before = fuzz_descriptors();
    int pair[2];

    HOLDS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    for (unsigned i = 0; i < PACKETS && input.left > 0; i++)
        send_packet(pair, &input, permitted);
    (void)close(pair[0]);
    (void)close(pair[1]);
    HOLDS(fuzz_descriptors() == before);
    return 0;
}
