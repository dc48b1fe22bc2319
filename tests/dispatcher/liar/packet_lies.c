#include "tests/dispatcher/liar/lies.h"

#include "tests/dispatcher/liar/liar.h"
#include "tests/dispatcher/liar/speech.h"
#include "tests/dispatcher/liar/surroundings.h"
#include "tests/dispatcher/liar/truth.h"

#include <stdint.h>
#include <string.h>
#include <unistd.h>

/* A packet whose parts are sound, as far as there is room for them. */
struct packet {
    char bytes[(PROTOCOL_BATCH + 1) * sizeof(union message)];
    size_t length;
};

static void append(struct packet *packet, const void *bytes, size_t length)
{
    memcpy(packet->bytes + packet->length, bytes, length);
    packet->length += length;
}

static void append_started(struct packet *packet, int32_t process)
{
    union message message = answer(MESSAGE_STARTED);

    message.started.process = process;
    append(packet, &message, sizeof(message.started));
}

static void append_pongs(struct packet *packet, unsigned count)
{
    union message message = answer(MESSAGE_PONG);

    for (; count > 0; count--)
        append(packet, &message, sizeof(message.header));
}

static void say_packet(const struct packet *packet, int descriptor, unsigned count)
{
    say_raw(packet->bytes, packet->length, descriptor, count);
}

static int32_t start_silently(void)
{
    int32_t process = start_handler();

    (void)close(liar.given);
    return process;
}

/* The truth first, so that the lie behind it is found with that heard already. */
static void truth_then_lie(void)
{
    struct packet packet = {.length = 0};

    append_started(&packet, start_silently());
    append_pongs(&packet, 2);
    say_packet(&packet, -1, 0);
    stay();
}

/* What stands behind the lie is not believed, true as it is. */
static void lie_then_truth(void)
{
    struct packet packet = {.length = 0};

    append_pongs(&packet, 1);
    append_started(&packet, start_silently());
    say_packet(&packet, -1, 0);
    stay();
}

static void twice_at_once(void)
{
    struct packet packet = {.length = 0};
    int32_t process = start_silently();

    append_started(&packet, process);
    append_started(&packet, process);
    say_packet(&packet, -1, 0);
    stay();
}

static void cut_packet(void)
{
    struct packet packet = {.length = 0};

    append_started(&packet, start_silently());
    append_started(&packet, getpid());
    packet.length -= 8;
    say_packet(&packet, -1, 0);
    stay();
}

static void one_too_many(void)
{
    struct packet packet = {.length = 0};

    append_started(&packet, start_silently());
    append_pongs(&packet, PROTOCOL_BATCH);
    say_packet(&packet, -1, 0);
    stay();
}

static void long_packet(void)
{
    struct packet packet = {.length = sizeof(packet.bytes)};

    say_packet(&packet, open_pipe(), PROTOCOL_BATCH + 1);
    stay();
}

static void strays_at_once(void)
{
    struct packet packet = {.length = 0};

    append_started(&packet, getpid());
    append_started(&packet, getpid());
    say_packet(&packet, open_pipe(), 2);
    stay();
}

static void request_of_ours(void)
{
    say_raw(&liar.request, sizeof(liar.request.start), liar.given, 1);
    stay();
}

const struct lie packet_lies[] = {
    {"truth-then-lie", MESSAGE_START, truth_then_lie},
    {"lie-then-truth", MESSAGE_START, lie_then_truth},
    {"twice-at-once", MESSAGE_START, twice_at_once},
    {"cut-packet", MESSAGE_START, cut_packet},
    {"one-too-many", MESSAGE_START, one_too_many},
    {"long-packet", MESSAGE_START, long_packet},
    {"strays-at-once", MESSAGE_START, strays_at_once},
    {"request", MESSAGE_START, request_of_ours},
    {NULL, 0, NULL},
};
