#include "dispatcher/wire.h"

#include "dispatcher/rights.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
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
    [MESSAGE_PING] = {.length = sizeof(struct message_header)},
    [MESSAGE_PONG] = {.length = sizeof(struct message_header)},
    [MESSAGE_ROUSE] = {.length = sizeof(struct message_header)},
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
    /* SEQPACKET: the whole message or an error. */
    return rights_send(socket, message, shapes[message->header.type].length, descriptors,
                       descriptors == NULL ? 0 : shapes[message->header.type].most, flags) < 0
               ? -1
               : 0;
}

static enum wire_result check(int received, size_t length, unsigned permitted,
                              const struct message_header *header, unsigned count)
{
    if ((received & MSG_TRUNC) != 0 || length < sizeof(*header) ||
        header->version != PROTOCOL_VERSION || header->type >= MESSAGE_TYPES ||
        (permitted & WIRE_TYPE(header->type)) == 0 || length != shapes[header->type].length)
        return WIRE_MALFORMED;
    if ((received & MSG_CTRUNC) != 0)
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
    unsigned count = WIRE_DESCRIPTORS;
    enum wire_result result;
    ssize_t length;

    for (int i = 0; i < WIRE_DESCRIPTORS; i++)
        descriptors[i] = -1;
    length = rights_receive(socket, message, sizeof(*message), descriptors, &count, &flags);
    if (length < 0)
        return errno == EAGAIN ? WIRE_EMPTY : WIRE_ERROR;
    if (length == 0 && count == 0 && has_ended(socket))
        return WIRE_CLOSED;
    result = check(flags, (size_t)length, permitted, &message->header, count);
    for (unsigned i = 0; result != WIRE_MESSAGE && i < count; i++) {
        (void)close(descriptors[i]); /* not ours to judge: it was never asked for */
        descriptors[i] = -1;
    }
    return result;
}
