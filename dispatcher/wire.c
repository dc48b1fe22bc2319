#include "dispatcher/wire.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* `least` and `most`: how many descriptors come with it. */
static const struct {
    size_t length;
    unsigned least;
    unsigned most;
} shapes[MESSAGE_TYPES] = {
    [MESSAGE_READY] = {.length = sizeof(struct message_ready)},
    [MESSAGE_START] = {.length = sizeof(struct message_start), .least = 1, .most = 1},
    [MESSAGE_STARTED] = {.length = sizeof(struct message_started)},
    [MESSAGE_FAILED] = {.length = sizeof(struct message_failed)},
    [MESSAGE_EXITED] = {.length = sizeof(struct message_exited)},
    [MESSAGE_SIGNAL] = {.length = sizeof(struct message_signal)},
    [MESSAGE_SIGNALLED] = {.length = sizeof(struct message_signalled)},
    [MESSAGE_FORK] = {.length = sizeof(struct message_fork), .least = 2, .most = 2},
    [MESSAGE_FORKED] = {.length = sizeof(struct message_forked)},
    [MESSAGE_READ] = {.length = sizeof(struct message_read)},
    [MESSAGE_CONTENT] = {.length = sizeof(struct message_content), .most = 1},
    [MESSAGE_ROUSE] = {.length = sizeof(struct message_header)},
};

/* Room for exactly so many descriptors.  The kernel closes further ones itself and says MSG_CTRUNC,
 * as long as msg_controllen is CMSG_LEN and not CMSG_SPACE, whose padding might hold another. */
union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(WIRE_DESCRIPTORS * sizeof(int))];
};

void wire_header(union message *message, enum message_type type, uint32_t client, uint64_t ticket)
{
    memset(message, 0, sizeof(*message));
    message->header = (struct message_header){
        .version = PROTOCOL_VERSION,
        .type = (uint16_t)type,
        .client = client,
        .ticket = ticket,
    };
}

int wire_send(int socket, const union message *message, const int *descriptors, int flags)
{
    struct iovec content = {
        .iov_base = (void *)(uintptr_t)message, /* sendmsg only reads it */
        .iov_len = shapes[message->header.type].length,
    };
    union control control = {0};
    struct msghdr envelope = {.msg_iov = &content, .msg_iovlen = 1};

    if (descriptors != NULL) {
        socklen_t size = shapes[message->header.type].most * (socklen_t)sizeof(int);

        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = (socklen_t)CMSG_LEN(size);
        memcpy(CMSG_DATA(&control.header), descriptors, size);
        envelope.msg_control = &control;
        envelope.msg_controllen = (socklen_t)CMSG_LEN(size);
    }
    for (;;) {
        if (sendmsg(socket, &envelope, flags | MSG_NOSIGNAL) >= 0)
            return 0; /* SEQPACKET: the whole message or an error */
        if (errno != EINTR)
            return -1;
    }
}

/* Takes the descriptors out of the envelope; returns how many there are. */
static unsigned take_descriptors(struct msghdr *envelope, int descriptors[WIRE_DESCRIPTORS])
{
    const struct cmsghdr *header = CMSG_FIRSTHDR(envelope);
    unsigned count;

    if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
        return 0;
    count = (unsigned)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(descriptors, CMSG_DATA(header), count * sizeof(int));
    return count;
}

static enum wire_result check(const struct msghdr *envelope, size_t length, unsigned permitted,
                              const struct message_header *header, unsigned count)
{
    if ((envelope->msg_flags & MSG_TRUNC) != 0 || length < sizeof(*header) ||
        header->version != PROTOCOL_VERSION || header->type >= MESSAGE_TYPES ||
        (permitted & WIRE_TYPE(header->type)) == 0 || length != shapes[header->type].length)
        return WIRE_MALFORMED;
    if ((envelope->msg_flags & MSG_CTRUNC) != 0)
        return count < shapes[header->type].most ? WIRE_NO_DESCRIPTOR : WIRE_MALFORMED;
    if (count < shapes[header->type].least || count > shapes[header->type].most)
        return WIRE_MALFORMED;
    return WIRE_MESSAGE;
}

/* A message without content looks like the end of the messages. */
static bool has_ended(int socket)
{
    struct pollfd end = {.fd = socket, .events = POLLRDHUP};

    return poll(&end, 1, 0) > 0;
}

enum wire_result wire_receive(int socket, unsigned permitted, union message *message,
                              int descriptors[WIRE_DESCRIPTORS], int flags)
{
    struct iovec content = {.iov_base = message, .iov_len = sizeof(*message)};
    union control control = {0};
    struct msghdr envelope = {
        .msg_iov = &content,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = CMSG_LEN(WIRE_DESCRIPTORS * sizeof(int)),
    };
    ssize_t length;
    unsigned count;
    enum wire_result result;

    for (int i = 0; i < WIRE_DESCRIPTORS; i++)
        descriptors[i] = -1;
    do {
        /* ECONNRESET only says that the peer ended with messages of ours unread.  It is reported
         * once, ahead of what the peer had sent (net/unix/af_unix.c, unix_release_sock()). */
        length = recvmsg(socket, &envelope, flags | MSG_CMSG_CLOEXEC);
    } while (length < 0 && (errno == EINTR || errno == ECONNRESET));
    if (length < 0)
        return errno == EAGAIN ? WIRE_EMPTY : WIRE_ERROR;

    count = take_descriptors(&envelope, descriptors);
    if (length == 0 && count == 0 && has_ended(socket))
        return WIRE_CLOSED;
    result = check(&envelope, (size_t)length, permitted, &message->header, count);
    for (unsigned i = 0; result != WIRE_MESSAGE && i < count; i++) {
        (void)close(descriptors[i]); /* not ours to judge: it was never asked for */
        descriptors[i] = -1;
    }
    return result;
}
