/* The messages of a takeover: what is not one is refused, and leaves nothing open. */
#include "supervisor/takeover/inheritance.h"

#include "tests/shared/check.h"
#include "tests/shared/raw.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MANY = 253 };

static int ours;
static int theirs;
static const int zeros[MANY];
static const unsigned any = ~0u;

static int lowest_free(void)
{
    int descriptor = dup(ours);

    (void)close(descriptor);
    return descriptor;
}

static unsigned with(const union inheritance *message)
{
    switch (message->header.type) {
    case INHERITANCE_LISTENER:
        return 1;
    case INHERITANCE_QUEUED:
        return message->header.count;
    default:
        return 0;
    }
}

/* Receives and compares with what was sent; closes what has come along. */
static void check_arrival(const union inheritance *sent, size_t length)
{
    union inheritance got;
    int descriptors[INHERITANCE_BATCH];

    CHECK(inheritance_receive(theirs, any, &got, descriptors) == sent->header.type);
    CHECK(memcmp(&got, sent, length) == 0);
    for (unsigned i = 0; i < with(&got); i++) {
        CHECK((fcntl(descriptors[i], F_GETFD) & FD_CLOEXEC) != 0);
        CHECK(close(descriptors[i]) == 0);
    }
}

/* Nothing comes, for this reason. */
static bool fails(int error, unsigned permitted)
{
    union inheritance got;
    int descriptors[INHERITANCE_BATCH];

    return inheritance_receive(theirs, permitted, &got, descriptors) == 0 && errno == error;
}

static void send_raw(const void *bytes, size_t length, unsigned count)
{
    CHECK(raw_send(ours, bytes, length, 0, count) == (ssize_t)length);
}

/* Of each type, the length of the message, without clients. */
static const size_t lengths[INHERITANCE_TYPES] = {
    [INHERITANCE_HELLO] = sizeof(struct inheritance_hello),
    [INHERITANCE_LISTENER] = sizeof(struct inheritance_listener),
    [INHERITANCE_GO] = sizeof(struct inheritance_header),
    [INHERITANCE_RUNNING] = sizeof(struct inheritance_header),
    [INHERITANCE_QUEUED] = sizeof(struct inheritance_header),
    [INHERITANCE_TAKEN] = sizeof(struct inheritance_header),
    [INHERITANCE_SETTING] = sizeof(struct inheritance_setting),
    [INHERITANCE_ALL] = sizeof(struct inheritance_all),
    [INHERITANCE_READY] = sizeof(struct inheritance_ready),
    [INHERITANCE_COMMITTED] = sizeof(struct inheritance_header),
    [INHERITANCE_SERVING] = sizeof(struct inheritance_header),
    [INHERITANCE_SETTLED] = sizeof(struct inheritance_header),
    [INHERITANCE_LEFT] = sizeof(struct inheritance_header),
    [INHERITANCE_ABORTED] = sizeof(struct inheritance_header),
    [INHERITANCE_ENDED] = sizeof(struct inheritance_ended),
    [INHERITANCE_END] = sizeof(struct inheritance_end),
};

static bool has_clients(unsigned type)
{
    return type == INHERITANCE_RUNNING || type == INHERITANCE_QUEUED;
}

/* A message of each type, with so many clients where there are any. */
static size_t make(union inheritance *message, unsigned type, uint32_t count)
{
    memset(message, 'x', sizeof(*message));
    message->header = (struct inheritance_header){.version = INHERITANCE_VERSION,
                                                  .type = (uint16_t)type,
                                                  .count = has_clients(type) ? count : 0};
    return lengths[type] + message->header.count * sizeof(struct inheritance_client);
}

static void check_round_trips(void)
{
    static const uint32_t counts[] = {1, 2, INHERITANCE_BATCH};

    CHECK(fails(EAGAIN, any));
    for (unsigned type = 1; type < INHERITANCE_TYPES; type++)
        for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
            union inheritance message;
            size_t length = make(&message, type, counts[i]);

            CHECK(inheritance_send(ours, (enum inheritance_type)type, &message, zeros) == 0);
            check_arrival(&message, length);
        }
}

/* Each type with one byte, one client, one descriptor too many or too few, or not permitted. */
static void check_malformed(void)
{
    int before = lowest_free();

    for (unsigned type = 1; type < INHERITANCE_TYPES; type++) {
        union inheritance message;
        size_t length = make(&message, type, 3);
        unsigned count = with(&message);

        send_raw(&message, length - 1, count);
        CHECK(fails(EPROTO, any));
        if (length < sizeof(message)) {
            send_raw(&message, length + 1, count);
            CHECK(fails(EPROTO, any));
        }
        send_raw(&message, length, count + 1);
        CHECK(fails(EPROTO, any));
        send_raw(&message, length, MANY);
        CHECK(fails(EMFILE, any));
        if (count > 0) {
            send_raw(&message, length, count - 1);
            CHECK(fails(EPROTO, any));
        }
        send_raw(&message, length, count);
        CHECK(fails(EPROTO, any & ~INHERITANCE_SET(type)));
        message.header.count += 1;
        send_raw(&message, length, count);
        CHECK(fails(EPROTO, any));
        message.header.count = UINT32_MAX;
        send_raw(&message, length, count);
        CHECK(fails(EPROTO, any));
        message.header.count = has_clients(type) ? 3 : 0;
        message.header.version++;
        send_raw(&message, length, count);
        CHECK(fails(EPROTO, any));
    }
    CHECK(lowest_free() == before);
}

static void check_others(void)
{
    static const unsigned char bytes[sizeof(union inheritance) + 64];
    union inheritance message = {
        .header = {.version = INHERITANCE_VERSION, .type = INHERITANCE_QUEUED}}; /* of nobody */

    for (size_t length = 1; length <= sizeof(bytes); length += 7) {
        send_raw(bytes, length, length % 4 == 0);
        CHECK(fails(EPROTO, any));
    }
    send_raw(&message, sizeof(message.header), 0);
    CHECK(fails(EPROTO, any));
    message.header.type = INHERITANCE_TYPES;
    send_raw(&message, sizeof(message.header), 0);
    CHECK(fails(EPROTO, any));
    message.header.type = UINT16_MAX;
    send_raw(&message, sizeof(message.header), 0);
    CHECK(fails(EPROTO, any));
}

/* It is said that there was no room, and what had some is closed. */
static void check_without_room(void)
{
    struct rlimit limit;
    union inheritance message;
    int before = lowest_free();
    bool failed;

    (void)make(&message, INHERITANCE_QUEUED, 5);
    CHECK(inheritance_send(ours, INHERITANCE_QUEUED, &message, zeros) == 0);
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){.rlim_cur = (rlim_t)before + 3,
                                                    .rlim_max = limit.rlim_max}) == 0);
    failed = fails(EMFILE, any);
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(failed);
    CHECK(lowest_free() == before);
}

/* What it said before it died is heard, though it had not read all. */
static void check_end(void)
{
    const union inheritance go = {
        .header = {.version = INHERITANCE_VERSION, .type = INHERITANCE_GO}};

    CHECK(inheritance_say(theirs, INHERITANCE_GO) == 0); /* stays unread */
    CHECK(inheritance_say(ours, INHERITANCE_GO) == 0);
    (void)close(ours);
    check_arrival(&go, sizeof(go.header));
    CHECK(fails(ECONNRESET, any));
    CHECK(fails(ECONNRESET, any));
    CHECK(inheritance_say(theirs, INHERITANCE_GO) == -1 && errno == EPIPE);
    (void)close(theirs);
}

int main(void)
{
    int ends[2] = {-1, -1};

    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    ours = ends[0];
    theirs = ends[1];
    check_round_trips();
    check_malformed();
    check_others();
    check_without_room();
    check_end();
    return CHECK_RESULT();
}
