/*
 * Messages between the processes: what is sent arrives, and nothing else is believed.
 */
#include "dispatcher/wire.h"

#include "tests/check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static int ours;
static int theirs;
static const unsigned any = ~0u;

static enum wire_result receive(union message *message, int *descriptor)
{
    return wire_receive(theirs, any, message, descriptor, MSG_DONTWAIT);
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
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(4 * sizeof(int))];
    } control = {0};
    const int zeros[4] = {0};
    struct iovec content = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = length};
    struct msghdr envelope = {.msg_iov = &content, .msg_iovlen = 1};

    if (count > 0) {
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = (socklen_t)CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(&control.header), zeros, count * sizeof(int));
        envelope.msg_control = &control;
        envelope.msg_controllen = (socklen_t)CMSG_SPACE(count * sizeof(int));
    }
    CHECK(sendmsg(ours, &envelope, 0) == (ssize_t)length);
}

static void check_round_trip(void)
{
    union message sent;
    union message received;
    int descriptor;

    CHECK(receive(&received, &descriptor) == WIRE_EMPTY);
    wire_header(&sent, MESSAGE_START, 5, 77);
    sent.start.slot = 3;
    CHECK(wire_send(ours, &sent, 0, 0) == 0);
    CHECK(receive(&received, &descriptor) == WIRE_MESSAGE);
    CHECK(memcmp(&received, &sent, sizeof(sent.start)) == 0);
    CHECK(descriptor > 2 && (fcntl(descriptor, F_GETFD) & FD_CLOEXEC) != 0);
    (void)close(descriptor);

    wire_header(&sent, MESSAGE_EXITED, 5, 77);
    CHECK(wire_send(ours, &sent, -1, 0) == 0);
    CHECK(receive(&received, &descriptor) == WIRE_MESSAGE && descriptor == -1);
}

static void check_malformed(void)
{
    union message message;
    union message received;
    int before = lowest_free();
    int descriptor;
    char zeros[400] = {0};

    wire_header(&message, MESSAGE_START, 1, 1);
    const struct {
        const void *bytes;
        size_t length;
        unsigned descriptors;
    } wrong[] = {
        {&message, sizeof(message.start), 0},     /* no descriptor */
        {&message, sizeof(message.start), 2},     /* one too many */
        {&message, sizeof(message.start), 4},     /* more than that */
        {&message, sizeof(message.start) - 1, 1}, /* short */
        {&message, 1, 1},                         /* shorter than a header */
        {zeros, sizeof(zeros), 0},                /* longer than any */
        {zeros, sizeof(message.header), 0},       /* version 0 */
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        send_raw(wrong[i].bytes, wrong[i].length, wrong[i].descriptors);
        CHECK(receive(&received, &descriptor) == WIRE_MALFORMED && descriptor == -1);
    }
    message.header.type = MESSAGE_TYPES;
    send_raw(&message, sizeof(message.header), 0);
    CHECK(receive(&received, &descriptor) == WIRE_MALFORMED);
    message.header.type = UINT16_MAX;
    send_raw(&message, sizeof(message.header), 0);
    CHECK(receive(&received, &descriptor) == WIRE_MALFORMED);
    wire_header(&message, MESSAGE_STARTED, 1, 1);
    send_raw(&message, sizeof(message.started), 1); /* a descriptor where none belongs */
    CHECK(receive(&received, &descriptor) == WIRE_MALFORMED);
    send_raw(&message, sizeof(message.started), 0);
    CHECK(wire_receive(theirs, WIRE_TYPE(MESSAGE_START), &received, &descriptor, MSG_DONTWAIT) ==
          WIRE_MALFORMED); /* sound, but not permitted now */
    CHECK(lowest_free() == before);
}

static void check_no_room_for_descriptor(void)
{
    struct rlimit limit;
    union message message;
    int descriptor;

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    wire_header(&message, MESSAGE_START, 1, 1);
    CHECK(wire_send(ours, &message, 0, 0) == 0);
    CHECK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){.rlim_cur = (rlim_t)lowest_free(),
                                                    .rlim_max = limit.rlim_max}) == 0);
    CHECK(receive(&message, &descriptor) == WIRE_NO_DESCRIPTOR && descriptor == -1);
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

/* What a peer said before it died is heard, though it died with a message of ours unread. */
static void check_end_of_peer(void)
{
    union message message;
    int descriptor;

    wire_header(&message, MESSAGE_READY, 0, 0);
    CHECK(wire_send(theirs, &message, -1, 0) == 0); /* will stay unread */
    CHECK(wire_send(ours, &message, -1, 0) == 0);
    (void)close(ours);
    CHECK(receive(&message, &descriptor) == WIRE_MESSAGE);
    CHECK(receive(&message, &descriptor) == WIRE_CLOSED);
    CHECK(wire_send(theirs, &message, -1, 0) == -1 && errno == EPIPE);
}

int main(void)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return 2;
    ours = ends[0];
    theirs = ends[1];
    check_round_trip();
    check_malformed();
    check_no_room_for_descriptor();
    check_end_of_peer();
    return CHECK_RESULT();
}
