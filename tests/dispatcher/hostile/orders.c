#include "tests/dispatcher/hostile/hostile.h"

#include "dispatcher/shared/wire.h"
#include "tests/shared/check.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { MANY_DESCRIPTORS = 5 /* more than any message brings */ };

static void say_packet(const struct packet *packet, unsigned count)
{
    int descriptors[DESCRIPTORS_MAXIMUM];

    for (unsigned i = 0; i < count; i++)
        descriptors[i] = hostile.kinds[i % KINDS];
    say(packet->bytes, packet->length, descriptors, count);
}

/* Appends a valid message; only a START has a slot. */
static void append_valid(struct packet *packet, unsigned type, uint32_t slot)
{
    union message message = request((enum message_type)type);

    message.start.slot = slot;
    append(packet, &message);
}

/* Returns `count` STARTs, all in slot `first` or each in the slot behind the last. */
static struct packet starts(unsigned count, uint32_t first, bool same)
{
    struct packet packet = {.length = 0};

    for (uint32_t i = 0; i < count; i++)
        append_valid(&packet, MESSAGE_START, first + (same ? 0 : i));
    return packet;
}

/* Packets of all numbers of STARTs, each with one descriptor less, as many, and one more. */
static void order_starts(void)
{
    struct packet packet;

    for (unsigned count = 1; count <= PROTOCOL_BATCH + 1; count++)
        for (unsigned descriptors = count - 1; descriptors <= count + 1; descriptors++) {
            packet = starts(count, 0, false);
            say_packet(&packet, descriptors);
        }
    /* Only the first START of the first two packets is valid, and none of the third. */
    for (unsigned count = 2; count <= PROTOCOL_BATCH; count += 7) {
        packet = starts(count, 3, true);
        say_packet(&packet, count);
        packet = starts(count, PROTOCOL_SLOTS - 1, false);
        say_packet(&packet, count);
        packet = starts(count, UINT32_MAX, true);
        say_packet(&packet, count);
    }
    settle();
}

/* Packets that are cut anywhere. */
static void order_cut(void)
{
    struct packet packet = starts(3, 0, false);

    for (; packet.length > 0; packet.length--)
        for (unsigned descriptors = 0; descriptors <= 3; descriptors++)
            say_packet(&packet, descriptors);
    settle();
}

/* Packets of a START and any other type, and of many of one type. */
static void order_company(void)
{
    for (unsigned type = 1; type < MESSAGE_TYPES; type++)
        for (unsigned descriptors = 0; descriptors <= MANY_DESCRIPTORS; descriptors++) {
            struct packet packet = starts(1, 0, false);

            append_valid(&packet, type, 0);
            say_packet(&packet, descriptors);
            append_valid(&packet, MESSAGE_START, 1);
            say_packet(&packet, descriptors);
            packet.length = 0;
            append_valid(&packet, type, 0);
            append_valid(&packet, type, 0);
            say_packet(&packet, descriptors);
            while (packet.length <= (PROTOCOL_BATCH - 1) * sizeof(union message))
                append_valid(&packet, type, 0);
            say_packet(&packet, descriptors);
        }
    settle();
}

/* Each type with each wrong length, number of descriptors and version. */
static void order_shapes(void)
{
    union message message;
    char bytes[PACKET_MAXIMUM] = {0};

    for (unsigned count = 0; count <= MANY_DESCRIPTORS; count++) {
        say("", 0, hostile.kinds, count);
        say("x", 1, hostile.kinds, count);
        say(bytes, sizeof(bytes), hostile.kinds, count);
        for (unsigned type = 0; type < MESSAGE_TYPES + 3; type++) {
            size_t length = type < MESSAGE_TYPES ? shapes[type].length : 24;

            message = request((enum message_type)type);
            if (type != MESSAGE_START)
                message.signal.process = -1; /* other types have other fields there */
            memcpy(bytes, &message, sizeof(message));
            say(bytes, length, hostile.kinds, count);
            say(bytes, length + 1, hostile.kinds, count);
            say(bytes, length > 0 ? length - 1 : 0, hostile.kinds, count);
            say(bytes, sizeof(message.header), hostile.kinds, count);
            message.header.version++;
            say(&message, length, hostile.kinds, count);
            message.header.version = 0;
            say(&message, length, hostile.kinds, count);
        }
    }
    settle();
}

static void order_slots(void)
{
    static const uint32_t slots[] = {PROTOCOL_SLOTS, 255, INT32_MAX, UINT32_MAX};

    for (size_t i = 0; i < sizeof(slots) / sizeof(*slots); i++)
        ask_start(slots[i]);
    settle();
}

static void order_signals(void)
{
    const pid_t dispatcher = hostile.dispatcher;
    const pid_t *bystanders = hostile.bystanders;
    const pid_t processes[] = {0,         1,          -1,          INT32_MIN,     INT32_MAX,
                               getpid(),  -getpid(),  getppid(),   bystanders[0], bystanders[1],
                               getpgrp(), -getpgrp(), -dispatcher, -bystanders[0]};
    static const int signals[] = {0, -1, SIGHUP, SIGKILL, SIGTERM, SIGSTOP, SIGCONT, 64, INT32_MAX};

    for (size_t i = 0; i < sizeof(processes) / sizeof(*processes); i++)
        for (size_t j = 0; j < sizeof(signals) / sizeof(*signals); j++)
            ask_signal((int32_t)processes[i], signals[j]);
    ask_signal((int32_t)dispatcher, SIGKILL); /* as if it were its own handler */
    settle();
}

void give_orders(void)
{
    order_starts();
    order_cut();
    order_company();
    order_shapes();
    order_slots();
    order_signals();
}
