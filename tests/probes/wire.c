/*
 * Messages between the processes: what is sent arrives, and nothing else is believed.
 */
#include "dispatcher/wire.h"

#include "tests/check.h"
#include "tests/raw.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static int ours;
static int theirs;
static const unsigned any = ~0u;
static const int zeros[4] = {0}; /* descriptor 0, so many times */

struct received {
    union message message;
    int descriptors[WIRE_DESCRIPTORS];
};

static enum wire_result receive(struct received *received)
{
    return wire_receive(theirs, any, &received->message, received->descriptors, MSG_DONTWAIT);
}

/* How many descriptors came: those first in the array, and close-on-exec; closes them. */
static int take(const struct received *received)
{
    int count = 0;

    while (count < WIRE_DESCRIPTORS && received->descriptors[count] >= 0) {
        CHECK((fcntl(received->descriptors[count], F_GETFD) & FD_CLOEXEC) != 0);
        (void)close(received->descriptors[count]);
        count++;
    }
    for (int i = count; i < WIRE_DESCRIPTORS; i++)
        CHECK(received->descriptors[i] == -1);
    return count;
}

/* Whether what is there is this, and brings nothing. */
static bool brings_nothing(enum wire_result result)
{
    struct received received;

    return receive(&received) == result && take(&received) == 0;
}

static int lowest_free(void)
{
    int descriptor = dup(0);

    (void)close(descriptor);
    return descriptor;
}

/* Sends raw bytes with `count` copies of descriptor 0. */
static void send_raw(const void *bytes, size_t length, unsigned count)
{
    CHECK(raw_send(ours, bytes, length, 0, count) == (ssize_t)length);
}

static void check_round_trip(void)
{
    union message sent;
    struct received received;

    CHECK(brings_nothing(WIRE_EMPTY));
    wire_header(&sent, MESSAGE_START, 5, 77);
    sent.start.slot = 3;
    CHECK(wire_send(ours, &sent, zeros, 0) == 0);
    CHECK(receive(&received) == WIRE_MESSAGE);
    CHECK(memcmp(&received.message, &sent, sizeof(sent.start)) == 0);
    CHECK(take(&received) == 1);

    wire_header(&sent, MESSAGE_EXITED, 5, 77);
    CHECK(wire_send(ours, &sent, NULL, 0) == 0);
    CHECK(receive(&received) == WIRE_MESSAGE && take(&received) == 0);
}

/* The descriptors that come are those that were sent, in that order. */
static void check_order(void)
{
    union message sent;
    struct received received;
    struct stat pipe_status;
    struct stat first;
    struct stat second;
    int ends[2];

    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    wire_header(&sent, MESSAGE_FORK, 1, 2);
    CHECK(wire_send(ours, &sent, (const int[]){ours, ends[0]}, 0) == 0);
    CHECK(receive(&received) == WIRE_MESSAGE);
    CHECK(fstat(ends[0], &pipe_status) == 0 && fstat(received.descriptors[0], &first) == 0 &&
          fstat(received.descriptors[1], &second) == 0);
    CHECK(S_ISSOCK(first.st_mode));
    CHECK(second.st_ino == pipe_status.st_ino && second.st_dev == pipe_status.st_dev);
    CHECK(take(&received) == 2);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

/* Every type, with every number of descriptors. */
static void check_numbers(void)
{
    static const struct {
        enum message_type type;
        size_t length;
        unsigned least;
        unsigned most;
    } types[] = {
        {MESSAGE_READY, sizeof(struct message_ready), 0, 0},
        {MESSAGE_START, sizeof(struct message_start), 1, 1},
        {MESSAGE_STARTED, sizeof(struct message_started), 0, 0},
        {MESSAGE_FAILED, sizeof(struct message_failed), 0, 0},
        {MESSAGE_EXITED, sizeof(struct message_exited), 0, 0},
        {MESSAGE_SIGNAL, sizeof(struct message_signal), 0, 0},
        {MESSAGE_SIGNALLED, sizeof(struct message_signalled), 0, 0},
        {MESSAGE_FORK, sizeof(struct message_fork), 2, 2},
        {MESSAGE_FORKED, sizeof(struct message_forked), 0, 0},
        {MESSAGE_READ, sizeof(struct message_read), 0, 0},
        {MESSAGE_CONTENT, sizeof(struct message_content), 0, 1},
        {MESSAGE_PING, sizeof(struct message_header), 0, 0},
        {MESSAGE_PONG, sizeof(struct message_header), 0, 0},
        {MESSAGE_ROUSE, sizeof(struct message_header), 0, 0},
    };
    int before = lowest_free();

    CHECK(sizeof(types) / sizeof(*types) == MESSAGE_TYPES - 1);
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        for (unsigned count = 0; count <= 4; count++) {
            union message message;
            struct received received;
            bool right = count >= types[i].least && count <= types[i].most;

            wire_header(&message, types[i].type, 1, 1);
            send_raw(&message, types[i].length, count);
            CHECK(receive(&received) == (right ? WIRE_MESSAGE : WIRE_MALFORMED));
            CHECK(take(&received) == (right ? (int)count : 0));
            send_raw(&message, types[i].length - 1, count);
            CHECK(brings_nothing(WIRE_MALFORMED));
            send_raw(&message, sizeof(message),
                     count); /* what is longer than any is another case */
            CHECK(receive(&received) ==
                  (right && sizeof(message) == types[i].length ? WIRE_MESSAGE : WIRE_MALFORMED));
            (void)take(&received);
        }
    CHECK(brings_nothing(WIRE_EMPTY));
    CHECK(lowest_free() == before);
}

static void check_malformed(void)
{
    union message message;
    struct received received;
    int before = lowest_free();
    char nothing[400] = {0};

    wire_header(&message, MESSAGE_START, 1, 1);
    const struct {
        const void *bytes;
        size_t length;
        unsigned descriptors;
    } wrong[] = {
        {&message, 1, 1},                     /* shorter than a header */
        {nothing, sizeof(nothing), 0},        /* longer than any */
        {nothing, sizeof(message.header), 0}, /* version 0 */
        {nothing, 0, 0},                      /* without content, and not the end */
        {nothing, 0, 1},                      /* likewise */
        {nothing, 0, WIRE_DESCRIPTORS + 1},   /* likewise */
        {nothing, sizeof(nothing), 1},        /* too long, and not empty-handed */
        {nothing, 1, WIRE_DESCRIPTORS + 1},   /* with more than there is room for */
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        send_raw(wrong[i].bytes, wrong[i].length, wrong[i].descriptors);
        CHECK(brings_nothing(WIRE_MALFORMED));
    }
    message.header.version++;
    send_raw(&message, sizeof(message.start), 1);
    CHECK(brings_nothing(WIRE_MALFORMED));
    message.header.version--;
    message.header.type = MESSAGE_TYPES;
    send_raw(&message, sizeof(message.header), 0);
    CHECK(brings_nothing(WIRE_MALFORMED));
    message.header.type = UINT16_MAX;
    send_raw(&message, sizeof(message.header), 0);
    CHECK(brings_nothing(WIRE_MALFORMED));
    message.header.type = 0;
    send_raw(&message, 0, 0);
    CHECK(brings_nothing(WIRE_MALFORMED));
    wire_header(&message, MESSAGE_FORK, 1, 1);
    send_raw(&message, sizeof(message.fork), 2);
    CHECK(wire_receive(theirs, any & ~WIRE_TYPE(MESSAGE_FORK), &received.message,
                       received.descriptors, MSG_DONTWAIT) == WIRE_MALFORMED);
    CHECK(take(&received) == 0); /* sound, but not permitted now */
    CHECK(lowest_free() == before);
}

static void check_without_room(enum message_type type, unsigned count, unsigned room)
{
    struct rlimit limit;
    union message message;
    struct received received;
    enum wire_result result;
    int before = lowest_free();

    wire_header(&message, type, 7, 8);
    CHECK(wire_send(ours, &message, zeros, 0) == 0);
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){.rlim_cur = (rlim_t)before + room,
                                                    .rlim_max = limit.rlim_max}) == 0);
    result = receive(&received);
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(result == (room < count ? WIRE_NO_DESCRIPTOR : WIRE_MESSAGE));
    CHECK(take(&received) == (room < count ? 0 : (int)count));
    /* So that it can be answered. */
    CHECK(received.message.header.type == type && received.message.header.client == 7 &&
          received.message.header.ticket == 8);
    CHECK(lowest_free() == before);
}

static void check_no_room_for_descriptors(void)
{
    check_without_room(MESSAGE_START, 1, 0);
    check_without_room(MESSAGE_START, 1, 1);
    check_without_room(MESSAGE_CONTENT, 1, 0);
    check_without_room(MESSAGE_FORK, 2, 0);
    check_without_room(MESSAGE_FORK, 2, 1);
    check_without_room(MESSAGE_FORK, 2, 2);
}

/* What a peer said before it died is heard, though it died with a message of ours unread. */
static void check_end_of_peer(void)
{
    union message message;
    struct received received;

    wire_header(&message, MESSAGE_READY, 0, 0);
    CHECK(wire_send(theirs, &message, NULL, 0) == 0); /* will stay unread */
    CHECK(wire_send(ours, &message, NULL, 0) == 0);
    (void)close(ours);
    CHECK(receive(&received) == WIRE_MESSAGE && take(&received) == 0);
    CHECK(brings_nothing(WIRE_CLOSED));
    CHECK(brings_nothing(WIRE_CLOSED)); /* and stays so */
    CHECK(wire_send(theirs, &message, NULL, 0) == -1 && errno == EPIPE);
}

static void open_pair(void)
{
    int ends[2] = {-1, -1};

    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    ours = ends[0];
    theirs = ends[1];
}

/* The end, also of a peer that only says no more; a message without content is heard as none. */
static void check_other_ends(void)
{
    open_pair();
    send_raw("", 0, 0);
    CHECK(brings_nothing(WIRE_MALFORMED));
    (void)close(ours);
    CHECK(brings_nothing(WIRE_CLOSED));
    (void)close(theirs);

    open_pair();
    send_raw("", 0, 0);
    (void)close(ours);
    CHECK(brings_nothing(WIRE_CLOSED)); /* it is all the same: nobody can say more */
    CHECK(brings_nothing(WIRE_CLOSED));
    (void)close(theirs);

    open_pair();
    CHECK(shutdown(ours, SHUT_WR) == 0);
    CHECK(brings_nothing(WIRE_CLOSED));
    (void)close(ours);
    (void)close(theirs);
}

int main(void)
{
    open_pair();
    check_round_trip();
    check_order();
    check_numbers();
    check_malformed();
    check_no_room_for_descriptors();
    check_end_of_peer();
    (void)close(theirs);
    check_other_ends();
    return CHECK_RESULT();
}
