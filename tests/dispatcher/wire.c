/*
 * Messages between the processes: what is sent arrives, and nothing else is believed.
 */
#include "dispatcher/shared/wire.h"
#include "dispatcher/shared/rights.h"

#include "tests/shared/check.h"
#include "tests/shared/raw.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif

static int ours;
static int theirs;
static struct wire_inbox inbox; /* of theirs */
static const unsigned any = ~0u;
static const int zeros[4] = {0}; /* descriptor 0, so many times */

struct received {
    union message message;
    int descriptor;
};

static enum wire_result receive(struct received *received)
{
    return wire_receive(&inbox, theirs, any, &received->message, &received->descriptor,
                        MSG_DONTWAIT);
}

/* Returns how many descriptors came, close-on-exec, and closes it. */
static int take(const struct received *received)
{
    if (received->descriptor < 0) {
        CHECK(received->descriptor == -1);
        return 0;
    }
    CHECK((fcntl(received->descriptor, F_GETFD) & FD_CLOEXEC) != 0);
    (void)close(received->descriptor);
    return 1;
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
    /* wire_header() has cleared what is between members.  NOLINTNEXTLINE(bugprone-*,cert-*) */
    CHECK(memcmp(&received.message, &sent, sizeof(sent.start)) == 0);
    CHECK(take(&received) == 1);

    wire_header(&sent, MESSAGE_EXITED, 5, 77);
    CHECK(wire_send(ours, &sent, NULL, 0) == 0);
    CHECK(receive(&received) == WIRE_MESSAGE && take(&received) == 0);
}

/* Every type, with every number of descriptors. */
static void check_numbers(void)
{
    static const struct {
        size_t length;
        enum message_type type;
        unsigned brings;
    } types[] = {
        {sizeof(struct message_header), MESSAGE_READY, 0},
        {sizeof(struct message_start), MESSAGE_START, 1},
        {sizeof(struct message_started), MESSAGE_STARTED, 0},
        {sizeof(struct message_failed), MESSAGE_FAILED, 1},
        {sizeof(struct message_exited), MESSAGE_EXITED, 0},
        {sizeof(struct message_signal), MESSAGE_SIGNAL, 0},
        {sizeof(struct message_header), MESSAGE_SIGNALLED, 0},
        {sizeof(struct message_header), MESSAGE_PING, 0},
        {sizeof(struct message_header), MESSAGE_PONG, 0},
        {sizeof(struct message_header), MESSAGE_ROLL, 0},
        {sizeof(struct message_listed), MESSAGE_LISTED, 0},
        {sizeof(struct message_header), MESSAGE_ROLLED, 0},
    };
    int before = lowest_free();

    CHECK(sizeof(types) / sizeof(*types) == MESSAGE_TYPES - 1);
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        for (unsigned count = 0; count <= 4; count++) {
            union message message;
            struct received received;
            bool right = count == types[i].brings;

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
    char nothing[sizeof(inbox.bytes) + 1] = {0};

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
        {nothing, 0, PROTOCOL_BATCH + 1},     /* likewise */
        {nothing, sizeof(nothing), 1},        /* too long, and not empty-handed */
        {nothing, 1, PROTOCOL_BATCH + 1},     /* with more than there is room for */
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
    wire_header(&message, MESSAGE_START, 1, 1);
    send_raw(&message, sizeof(message.start), 1);
    CHECK(wire_receive(&inbox, theirs, any & ~WIRE_TYPE(MESSAGE_START), &received.message,
                       &received.descriptor, MSG_DONTWAIT) == WIRE_MALFORMED);
    CHECK(take(&received) == 0); /* sound, but not permitted now */
    CHECK(lowest_free() == before);
}

static void check_without_room(enum message_type type, unsigned room)
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
    CHECK(result == (room == 0 ? WIRE_NO_DESCRIPTOR : WIRE_MESSAGE));
    CHECK(take(&received) == (int)room);
    /* So that it can be answered. */
    CHECK(received.message.header.type == type && received.message.header.client == 7 &&
          received.message.header.ticket == 8);
    CHECK(lowest_free() == before);
}

static void check_no_room_for_descriptors(void)
{
    check_without_room(MESSAGE_START, 0);
    check_without_room(MESSAGE_START, 1);
    check_without_room(MESSAGE_FAILED, 0);
}

/* ---- several messages in a packet ---- */

/* A packet as it stands in the socket, whatever it is. */
struct packet {
    char bytes[(PROTOCOL_BATCH + 2) * sizeof(union message)];
    size_t length;
    uint64_t count; /* of messages, which have as tickets 1, 2 ... */
};

static size_t append(struct packet *packet, enum message_type type, size_t length)
{
    union message message;

    wire_header(&message, type, 9, ++packet->count);
    memcpy(packet->bytes + packet->length, &message, length);
    packet->length += length;
    return packet->length - length;
}

static void append_start(struct packet *packet)
{
    (void)append(packet, MESSAGE_START, sizeof(struct message_start));
}

static void append_ping(struct packet *packet)
{
    (void)append(packet, MESSAGE_PING, sizeof(struct message_header));
}

/* START, PING, START, EXITED, START. */
static struct packet mixed(void)
{
    struct packet packet = {.length = 0};

    append_start(&packet);
    append_ping(&packet);
    append_start(&packet);
    (void)append(&packet, MESSAGE_EXITED, sizeof(struct message_exited));
    append_start(&packet);
    return packet;
}

static void send_packet(const struct packet *packet, unsigned descriptors)
{
    send_raw(packet->bytes, packet->length, descriptors);
}

/* Whether the next is of this type and has this ticket; leaves it in *received. */
static bool is_next(struct received *received, enum wire_result result, enum message_type type,
                    uint64_t ticket)
{
    return receive(received) == result && received->message.header.type == type &&
           received->message.header.client == 9 && received->message.header.ticket == ticket;
}

static bool is_same(int descriptor, int other)
{
    struct stat status;
    struct stat other_status;

    return fstat(descriptor, &status) == 0 && fstat(other, &other_status) == 0 &&
           status.st_dev == other_status.st_dev && status.st_ino == other_status.st_ino;
}

static void open_pipes(int pipes[6])
{
    for (int i = 0; i < 6; i += 2)
        CHECK(pipe2(pipes + i, O_CLOEXEC) == 0);
}

/* What was added comes in one packet, in that order, and each with its own descriptor. */
static void check_batch(void)
{
    static const enum message_type types[] = {MESSAGE_START, MESSAGE_PING, MESSAGE_START,
                                              MESSAGE_SIGNAL, MESSAGE_START};
    struct wire_outbox outbox = {.count = 0};
    struct received received;
    int pipes[6];
    int *next = pipes;

    open_pipes(pipes);
    CHECK(wire_flush(&outbox, ours, 0) == 0 && brings_nothing(WIRE_EMPTY));
    for (uint64_t i = 0; i < 5; i++) {
        union message message;
        bool brings = types[i] == MESSAGE_START;

        wire_header(&message, types[i], 9, i + 1);
        CHECK(wire_add(&outbox, &message, brings ? next : NULL));
        next += brings ? 2 : 0;
    }
    CHECK(brings_nothing(WIRE_EMPTY));
    CHECK(wire_flush(&outbox, ours, MSG_DONTWAIT) == 0 && outbox.count == 0);
    CHECK(wire_flush(&outbox, ours, MSG_DONTWAIT) == 0);
    next = pipes;
    for (uint64_t i = 0; i < 5; i++) {
        bool brings = types[i] == MESSAGE_START;

        CHECK(is_next(&received, WIRE_MESSAGE, types[i], i + 1));
        CHECK(wire_is_left(&inbox) == (i < 4));
        CHECK(!brings || is_same(received.descriptor, *next));
        CHECK(take(&received) == (int)brings);
        next += brings ? 2 : 0;
    }
    CHECK(brings_nothing(WIRE_EMPTY));
    for (int i = 0; i < 6; i++)
        (void)close(pipes[i]);
}

/* So many fit in, and no more. */
static void check_full_batch(void)
{
    struct wire_outbox outbox = {.count = 0};
    union message message;
    struct received received;

    for (uint64_t i = 0; i < PROTOCOL_BATCH; i++) {
        wire_header(&message, MESSAGE_START, 9, i + 1);
        CHECK(wire_add(&outbox, &message, zeros));
    }
    CHECK(!wire_add(&outbox, &message, zeros));
    wire_header(&message, MESSAGE_PING, 9, 1);
    CHECK(!wire_add(&outbox, &message, NULL));
    CHECK(wire_flush(&outbox, ours, 0) == 0);
    for (uint64_t i = 0; i < PROTOCOL_BATCH; i++)
        CHECK(is_next(&received, WIRE_MESSAGE, MESSAGE_START, i + 1) && take(&received) == 1);
    CHECK(brings_nothing(WIRE_EMPTY));
    wire_header(&message, MESSAGE_PING, 9, 1);
    CHECK(wire_add(&outbox, &message, NULL));
    wire_withdraw(&outbox);
    CHECK(wire_flush(&outbox, ours, 0) == 0 && brings_nothing(WIRE_EMPTY));
}

/* What could not be sent is still there, and nothing of it has arrived. */
static void check_flush_fails(void)
{
    struct wire_outbox outbox = {.count = 0};
    struct received received;
    union message message;
    union message ping;
    int count = 0;

    wire_header(&message, MESSAGE_START, 9, 1);
    CHECK(wire_add(&outbox, &message, zeros) && wire_add(&outbox, &message, zeros));
    wire_header(&ping, MESSAGE_PING, 9, 1);
    while (wire_send(ours, &ping, NULL, MSG_DONTWAIT) == 0)
        count++;
    CHECK(errno == EAGAIN && count > 0);
    CHECK(wire_flush(&outbox, ours, MSG_DONTWAIT) == -1 && errno == EAGAIN);
    CHECK(outbox.count == 2 && outbox.descriptor_count == 2);
    for (; count > 0; count--)
        CHECK(brings_nothing(WIRE_MESSAGE));
    CHECK(brings_nothing(WIRE_EMPTY));
    CHECK(wire_flush(&outbox, ours, MSG_DONTWAIT) == 0 && outbox.count == 0);
    for (int i = 0; i < 2; i++)
        CHECK(receive(&received) == WIRE_MESSAGE && take(&received) == 1);
    CHECK(brings_nothing(WIRE_EMPTY));
}

/* Given up as a whole, nothing of it is left, and what comes behind it is heard. */
static void check_given_up(const struct packet *packet, unsigned descriptors)
{
    struct received received;
    struct packet sound = {.length = 0};
    int before = lowest_free();

    send_packet(packet, descriptors);
    CHECK(brings_nothing(WIRE_MALFORMED));
    CHECK(!wire_is_left(&inbox) && lowest_free() == before);
    CHECK(brings_nothing(WIRE_EMPTY));
    append_start(&sound);
    send_packet(&sound, 1);
    CHECK(is_next(&received, WIRE_MESSAGE, MESSAGE_START, 1) && take(&received) == 1);
    CHECK(lowest_free() == before);
}

static void check_numbers_in_batch(void)
{
    struct packet packet = mixed();
    struct received received;

    for (unsigned count = 0; count <= PROTOCOL_BATCH + 1; count++)
        if (count != 3)
            check_given_up(&packet, count);
    send_packet(&packet, 3);
    for (uint64_t i = 1; i <= 5; i++) {
        CHECK(receive(&received) == WIRE_MESSAGE && received.message.header.ticket == i);
        CHECK(take(&received) == (int)(i % 2));
    }
    packet = (struct packet){.length = 0};
    append_ping(&packet);
    append_ping(&packet);
    for (unsigned count = 1; count <= PROTOCOL_BATCH + 1; count++)
        check_given_up(&packet, count);
    for (unsigned count = 0; count <= PROTOCOL_BATCH; count++) {
        packet = (struct packet){.length = 0};
        while (packet.count <= PROTOCOL_BATCH) /* one too many */
            if (packet.count < count)
                append_start(&packet);
            else
                append_ping(&packet);
        if (packet.length <= sizeof(inbox.bytes) || count % 5 == 0)
            check_given_up(&packet, count);
    }
}

/* One that is malformed, wherever it stands. */
static void check_malformed_in_batch(void)
{
    const size_t places[] = {0, 72, 88, 160, 208};
    struct packet packet;

    CHECK(mixed().length == 280);
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
        for (unsigned change = 0; change < 3; change++) {
            struct message_header header;

            packet = mixed();
            memcpy(&header, packet.bytes + places[i], sizeof(header));
            if (change == 0)
                header.version++;
            else
                header.type = change == 1 ? 0 : MESSAGE_TYPES;
            memcpy(packet.bytes + places[i], &header, sizeof(header));
            check_given_up(&packet, 3);
        }
}

/* Cut anywhere, with any number of descriptors; where a message ends, there is a number that fits.
 */
static void check_cut_batch(void)
{
    for (size_t length = 1; length < mixed().length; length++) {
        struct packet packet = mixed();
        unsigned fits = length == 72 || length == 88     ? 1
                        : length == 160 || length == 208 ? 2
                                                         : UINT_MAX;

        packet.length = length;
        for (unsigned count = 0; count <= 4; count++)
            if (count != fits)
                check_given_up(&packet, count);
    }
}

/* One that is sound, and not permitted now, takes the others along. */
static void check_not_permitted_in_batch(void)
{
    const struct packet packet = mixed();
    struct received received;
    int before = lowest_free();

    send_packet(&packet, 3);
    CHECK(wire_receive(&inbox, theirs, any & ~WIRE_TYPE(MESSAGE_EXITED), &received.message,
                       &received.descriptor, MSG_DONTWAIT) == WIRE_MALFORMED);
    CHECK(take(&received) == 0 && lowest_free() == before && brings_nothing(WIRE_EMPTY));
}

/* Those that lack their descriptors are told apart, and all can be answered. */
static void check_batch_without_room(unsigned room)
{
    const struct packet packet = mixed();
    struct rlimit limit;
    struct received received[5];
    enum wire_result results[5];
    int before = lowest_free();

    send_packet(&packet, 3);
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){.rlim_cur = (rlim_t)before + room,
                                                    .rlim_max = limit.rlim_max}) == 0);
    for (int i = 0; i < 5; i++)
        results[i] = receive(&received[i]);
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    for (unsigned i = 0; i < 5; i++) {
        bool lacks = i % 2 == 0 && i / 2 >= room;

        CHECK(results[i] == (lacks ? WIRE_NO_DESCRIPTOR : WIRE_MESSAGE));
        CHECK(received[i].message.header.ticket == i + 1 && received[i].message.header.client == 9);
        CHECK(take(&received[i]) == (int)(i % 2 == 0 && !lacks));
    }
    CHECK(brings_nothing(WIRE_EMPTY));
    CHECK(lowest_free() == before);
}

/* What is given up is closed, and only that. */
static void check_discard(void)
{
    const struct packet packet = mixed();
    struct received received;
    int before = lowest_free();

    wire_discard(&inbox); /* nothing */
    for (int taken = 1; taken <= 5; taken++) {
        send_packet(&packet, 3);
        for (int i = 0; i < taken; i++) {
            CHECK(receive(&received) == WIRE_MESSAGE);
            CHECK(take(&received) == 1 - i % 2);
        }
        wire_discard(&inbox);
        CHECK(!wire_is_left(&inbox) && lowest_free() == before);
        CHECK(brings_nothing(WIRE_EMPTY));
    }
}

static void check_batches(void)
{
    int before = lowest_free();

    check_batch();
    check_full_batch();
    check_flush_fails();
    check_numbers_in_batch();
    check_malformed_in_batch();
    check_cut_batch();
    check_not_permitted_in_batch();
    for (unsigned room = 0; room <= 3; room++)
        check_batch_without_room(room);
    check_discard();
    CHECK(lowest_free() == before);
}

/* ---- ends ---- */

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

/* ---- looked at before it is taken ---- */

static enum wire_result look(struct received *received)
{
    return wire_receive(&inbox, theirs, any, &received->message, &received->descriptor,
                        MSG_DONTWAIT | MSG_PEEK);
}

/* What was only looked at is there again, with its descriptors, until it is consumed. */
static void check_peeked(void)
{
    struct packet packet = mixed();
    struct received received;
    int before = lowest_free();

    send_packet(&packet, 3);
    for (int time = 0; time < 2; time++) {
        for (uint64_t ticket = 1; ticket <= packet.count; ticket++) {
            CHECK(look(&received) == WIRE_MESSAGE && received.message.header.ticket == ticket);
            (void)take(&received);
        }
        CHECK(!wire_is_left(&inbox));
    }
    CHECK(wire_consume(&inbox, theirs) == 0);
    CHECK(look(&received) == WIRE_EMPTY);
    CHECK(wire_consume(&inbox, theirs) == 0); /* nothing lies there any more */
    send_raw("?", 1, 1);
    CHECK(look(&received) == WIRE_MALFORMED && wire_consume(&inbox, theirs) == 0);
    CHECK(look(&received) == WIRE_EMPTY);
    CHECK(lowest_free() == before);
}

/* So it looks where the kernel lacks the memory to show them: not at once is it taken for a lie. */
static void check_bare(void)
{
    union message message;
    struct received received;
    int tries = 0;

    wire_header(&message, MESSAGE_START, 1, 1);
    send_raw(&message, sizeof(message.start), 0);
    while (look(&received) == WIRE_ERROR && errno == ENOMEM && tries < 10)
        tries++;
    CHECK(tries == 3);
    CHECK(wire_consume(&inbox, theirs) == 0 && look(&received) == WIRE_EMPTY);
}

static bool lacks_memory; /* the kernel, to copy descriptors for who only looks */

/* Takes the place of rights_receive(); the Makefile sees to that. */
ssize_t __wrap_rights_receive(int socket, void *bytes, size_t size, int *descriptors,
                              unsigned *count, int *flags);
ssize_t __real_rights_receive(int socket, void *bytes, size_t size, int *descriptors,
                              unsigned *count, int *flags);

ssize_t __wrap_rights_receive(int socket, void *bytes, size_t size, int *descriptors,
                              unsigned *count, int *flags)
{
    const bool peeked = (*flags & MSG_PEEK) != 0;
    ssize_t length = __real_rights_receive(socket, bytes, size, descriptors, count, flags);

    while (lacks_memory && peeked && *count > 0)
        (void)close(descriptors[--*count]); /* it does not say that it lacks any */
    return length;
}

/* If that lasts, nobody is lost for it. */
static void check_lasting_want_of_memory(void)
{
    union message message;
    struct received received;
    int tries = 0;
    int before = lowest_free();

    wire_header(&message, MESSAGE_START, 1, 1);
    lacks_memory = true;
    CHECK(wire_send(ours, &message, zeros, 0) == 0);
    while (look(&received) == WIRE_ERROR && errno == ENOMEM && tries < 10)
        tries++;
    CHECK(tries == 3 && received.message.header.type == MESSAGE_START && take(&received) == 1);
    CHECK(wire_consume(&inbox, theirs) == 0 && look(&received) == WIRE_EMPTY);
    lacks_memory = false;
    CHECK(lowest_free() == before);
}

static int count_open(void)
{
    int count = 0;

    for (int descriptor = 0; descriptor < 256; descriptor++)
        count += fcntl(descriptor, F_GETFD) >= 0;
    return count;
}

/* Who has the socket, too, can have the kernel send other things along with them: in a full packet,
 * too, all of its own come, and nothing else stays. */
static void check_company(int option)
{
    const int yes = 1;
    const int no = 0;
    struct packet packet = {.length = 0};
    struct received received;
    int before = count_open();

    if (setsockopt(theirs, SOL_SOCKET, option, &yes, sizeof(yes)) != 0) {
        CHECK(errno == ENOPROTOOPT); /* a kernel that does not know it */
        return;
    }
    for (unsigned i = 0; i < PROTOCOL_BATCH; i++)
        append_start(&packet);
    send_packet(&packet, PROTOCOL_BATCH);
    for (unsigned i = 0; i < PROTOCOL_BATCH; i++)
        CHECK(is_next(&received, WIRE_MESSAGE, MESSAGE_START, i + 1) && take(&received) == 1);
    CHECK(setsockopt(theirs, SOL_SOCKET, option, &no, sizeof(no)) == 0);
    CHECK(count_open() == before);
}

/* A connection over which more is sent than `*reader` reads, and whose last close waits a minute.
 */
static int open_lingering(int *reader)
{
    static const char bytes[1 << 16];
    const struct linger linger = {.l_onoff = 1, .l_linger = 60};
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int writer;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *reader = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 1) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    CHECK(connect(*reader, (struct sockaddr *)&address, length) == 0);
    writer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    (void)close(listener);
    CHECK(setsockopt(writer, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
    while (send(writer, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ;
    return writer;
}

/* One that there is no room for, behind as many as there is: the kernel would wait, and so would it
 * at the end of a socket in which one lies. */
static void check_lingering(void)
{
    char control[CMSG_SPACE((PROTOCOL_BATCH + 1) * sizeof(int))] __attribute__((aligned(8))) = {0};
    struct cmsghdr *header = (void *)control;
    struct packet packet = {.length = 0};
    struct iovec content = {.iov_base = packet.bytes};
    struct msghdr envelope = {.msg_iov = &content,
                              .msg_iovlen = 1,
                              .msg_control = control,
                              .msg_controllen = sizeof(control)};
    time_t before = time(NULL);
    int reader = -1;

    append_start(&packet);
    content.iov_len = packet.length;
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN((PROTOCOL_BATCH + 1) * sizeof(int));
    for (int drained = 0; drained <= 1; drained++) {
        int writer = open_lingering(&reader);

        memcpy(control + CMSG_LEN(PROTOCOL_BATCH * sizeof(int)), &writer, sizeof(int));
        CHECK(sendmsg(ours, &envelope, 0) > 0);
        (void)close(writer);
        if (drained)
            rights_drain(theirs);
        else
            CHECK(brings_nothing(WIRE_MALFORMED));
        (void)close(reader);
    }
    CHECK(brings_nothing(WIRE_EMPTY));
    CHECK(time(NULL) - before < 30);
}

/* How many more may be open is counted from the lowest that is free: whoever runs this may have
 * left others open above it. */
static void close_inherited(void)
{
    for (int descriptor = STDERR_FILENO + 1; descriptor < 256; descriptor++)
        (void)close(descriptor); /* few are open */
}

int main(void)
{
    close_inherited();
    open_pair();
    check_round_trip();
    check_numbers();
    check_malformed();
    check_no_room_for_descriptors();
    check_batches();
    check_peeked();
    check_bare();
    check_lasting_want_of_memory();
    check_company(SO_PASSCRED);
    check_company(SO_PASSPIDFD);
    check_lingering();
    check_end_of_peer();
    (void)close(theirs);
    check_other_ends();
    return CHECK_RESULT();
}
