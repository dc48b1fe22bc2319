#include "dispatcher/wire.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static const struct {
    size_t length;
    bool descriptor;
} shapes[MESSAGE_TYPES] = {
    [MESSAGE_READY] = {.length = sizeof(struct message_header)},
    [MESSAGE_START] = {.length = sizeof(struct message_start), .descriptor = true},
    [MESSAGE_STARTED] = {.length = sizeof(struct message_started)},
    [MESSAGE_FAILED] = {.length = sizeof(struct message_failed)},
    [MESSAGE_EXITED] = {.length = sizeof(struct message_exited)},
    [MESSAGE_SIGNAL] = {.length = sizeof(struct message_signal)},
};

/* Room for exactly one descriptor.  The kernel closes further ones itself and says MSG_CTRUNC, as
 * long as msg_controllen is CMSG_LEN and not CMSG_SPACE, whose padding would hold a second. */
union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
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

int wire_send(int socket, const union message *message, int descriptor, int flags)
{
    struct iovec content = {
        .iov_base = (void *)(uintptr_t)message, /* sendmsg only reads it */
        .iov_len = shapes[message->header.type].length,
    };
    union control control = {0};
    struct msghdr envelope = {.msg_iov = &content, .msg_iovlen = 1};

    if (descriptor >= 0) {
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &descriptor, sizeof(int));
        envelope.msg_control = &control;
        envelope.msg_controllen = CMSG_LEN(sizeof(int));
    }
    for (;;) {
        if (sendmsg(socket, &envelope, flags | MSG_NOSIGNAL) >= 0)
            return 0; /* SEQPACKET: the whole message or an error */
        if (errno != EINTR)
            return -1;
    }
}

static int received_descriptor(struct msghdr *envelope)
{
    const struct cmsghdr *header = CMSG_FIRSTHDR(envelope);
    int descriptor;

    if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
        header->cmsg_len != CMSG_LEN(sizeof(int)))
        return -1;
    memcpy(&descriptor, CMSG_DATA(header), sizeof(int));
    return descriptor;
}

static enum wire_result check(const struct msghdr *envelope, size_t length, unsigned permitted,
                              const struct message_header *header, int descriptor)
{
    if ((envelope->msg_flags & MSG_TRUNC) != 0 || length < sizeof(*header) ||
        header->version != PROTOCOL_VERSION || header->type >= MESSAGE_TYPES ||
        (permitted & WIRE_TYPE(header->type)) == 0 || length != shapes[header->type].length)
        return WIRE_MALFORMED;
    if ((envelope->msg_flags & MSG_CTRUNC) != 0)
        return shapes[header->type].descriptor && descriptor < 0 ? WIRE_NO_DESCRIPTOR
                                                                 : WIRE_MALFORMED;
    if (shapes[header->type].descriptor != (descriptor >= 0))
        return WIRE_MALFORMED;
    return WIRE_MESSAGE;
}

enum wire_result wire_receive(int socket, unsigned permitted, union message *message,
                              int *descriptor, int flags)
{
    struct iovec content = {.iov_base = message, .iov_len = sizeof(*message)};
    union control control = {0};
    struct msghdr envelope = {
        .msg_iov = &content,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = CMSG_LEN(sizeof(int)),
    };
    ssize_t length;
    enum wire_result result;

    *descriptor = -1;
    do {
        /* ECONNRESET only says that the peer ended with messages of ours unread.  It is reported
         * once, ahead of what the peer had sent (net/unix/af_unix.c, unix_release_sock()). */
        length = recvmsg(socket, &envelope, flags | MSG_CMSG_CLOEXEC);
    } while (length < 0 && (errno == EINTR || errno == ECONNRESET));
    if (length < 0)
        return errno == EAGAIN ? WIRE_EMPTY : WIRE_ERROR;

    *descriptor = received_descriptor(&envelope);
    if (length == 0 && *descriptor < 0)
        return WIRE_CLOSED;
    result = check(&envelope, (size_t)length, permitted, &message->header, *descriptor);
    if (result != WIRE_MESSAGE && *descriptor >= 0) {
        (void)close(*descriptor); /* not ours to judge: it was never asked for */
        *descriptor = -1;
    }
    return result;
}
