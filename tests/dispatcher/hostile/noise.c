#include "tests/dispatcher/hostile/hostile.h"

#include "dispatcher/shared/wire.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 500 /* packets between two checks of the answers */ };

static uint64_t state;

/* Returns the next number of xorshift64*. */
static uint32_t draw(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 2685821657736338717u) >> 32);
}

static uint32_t below(uint32_t limit)
{
    return draw() % limit;
}

/* Aims all signals at our processes or at none, in case the dispatcher is deceived. */
static void tame(char *bytes, size_t length)
{
    const int32_t processes[] = {
        0, -1, 1, (int32_t)getpid(), hostile.bystanders[0], hostile.bystanders[1]};
    union message message;

    for (size_t at = 0, size; at < length; at += size) {
        size = read_request(bytes + at, length - at, &message);
        if (size == 0)
            return;
        if (message.header.type != MESSAGE_SIGNAL)
            continue;
        message.signal.process =
            below(4) == 0 ? (int32_t)(0x40000000u | draw()) : processes[below(6)];
        memcpy(bytes + at, &message, size);
    }
}

static size_t draw_bytes(char bytes[PACKET_MAXIMUM])
{
    size_t length = below(4) == 0 ? below(PACKET_MAXIMUM) : below(sizeof(union message) + 1);

    for (size_t i = 0; i < length; i++)
        bytes[i] = (char)draw();
    return length;
}

static enum message_type draw_type(void)
{
    return (enum message_type)(1 + below(MESSAGE_TYPES - 1));
}

/* Appends a valid message; returns how many descriptors it must bring. */
static unsigned draw_message(struct packet *packet, enum message_type type)
{
    union message message;

    wire_header(&message, type, draw(), draw());
    if (type == MESSAGE_START)
        message.start.slot = below(PROTOCOL_SLOTS);
    if (type == MESSAGE_SIGNAL)
        message.signal.signal = below(2) == 0 ? SIGTERM : SIGKILL;
    append(packet, &message);
    return shapes[type].descriptors;
}

/* Makes some changes, each to the length, a byte or a bit. */
static void mutate(struct packet *packet, uint32_t changes)
{
    for (; changes > 0; changes--) {
        uint32_t place = below(packet->length > 0 ? (uint32_t)packet->length : 1);

        switch (below(4)) {
        case 0:
            packet->length = below(8) == 0 ? below(PACKET_MAXIMUM)
                                           : packet->length + below(3) - (packet->length > 0);
            if (packet->length > PACKET_MAXIMUM)
                packet->length = PACKET_MAXIMUM;
            break;
        case 1:
            packet->bytes[place] = (char)draw();
            break;
        default:
            packet->bytes[place] = (char)(packet->bytes[place] ^ 1 << below(8));
        }
    }
}

/* Draws several requests, sometimes another type among them, one too many, or changes. */
static unsigned draw_mutated_packet(struct packet *packet)
{
    static const enum message_type asked[] = {MESSAGE_START, MESSAGE_START, MESSAGE_SIGNAL,
                                              MESSAGE_PING, MESSAGE_ROLL};
    unsigned count = 1 + below(below(4) == 0 ? PROTOCOL_BATCH + 1 : 4);
    unsigned brought = 0;

    while (count-- > 0)
        brought += draw_message(packet, below(32) == 0 ? draw_type() : asked[below(5)]);
    mutate(packet, below(2) * below(3));
    return brought;
}

/* Draws mostly as many descriptors as the messages must bring. */
static unsigned draw_descriptors(int descriptors[DESCRIPTORS_MAXIMUM], unsigned brought)
{
    unsigned count = below(8) == 0 ? below(DESCRIPTORS_MAXIMUM + 1) : brought + (below(8) == 0);

    if (count > DESCRIPTORS_MAXIMUM)
        count = DESCRIPTORS_MAXIMUM;
    for (unsigned i = 0; i < count; i++)
        descriptors[i] = hostile.kinds[below(KINDS)];
    return count;
}

void make_noise(uint64_t seed, unsigned long count)
{
    printf("seed %llu\n", (unsigned long long)seed);
    (void)fflush(stdout);
    state = seed * 2 + 1;
    for (unsigned long i = 1; i <= count; i++) {
        struct packet packet = {.length = 0};
        int descriptors[DESCRIPTORS_MAXIMUM];
        unsigned brought = below(3);

        switch (below(4)) {
        case 0:
            brought = draw_mutated_packet(&packet);
            break;
        case 1:
            brought = draw_message(&packet, draw_type());
            mutate(&packet, 1 + below(3));
            break;
        default:
            packet.length = draw_bytes(packet.bytes);
        }
        tame(packet.bytes, packet.length);
        say(packet.bytes, packet.length, descriptors, draw_descriptors(descriptors, brought));
        if (i % BATCH == 0 || i == count)
            settle();
    }
    printf("answered: %u starts, %u signals, %u pings\n", hostile.came[MESSAGE_STARTED],
           hostile.came[MESSAGE_SIGNALLED], hostile.came[MESSAGE_PONG]);
}
