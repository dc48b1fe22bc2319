#include "dispatcher/shared/wire.h"

#include "dispatcher/shared/release.h"
#include "dispatcher/shared/rights.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

static const struct {
    size_t length;
    bool brings; /* a descriptor */
} shapes[MESSAGE_TYPES] = {
    [MESSAGE_READY] = {sizeof(struct message_header), false},
    [MESSAGE_START] = {sizeof(struct message_start), true},
    [MESSAGE_STARTED] = {sizeof(struct message_started), false},
    [MESSAGE_FAILED] = {sizeof(struct message_failed), true},
    [MESSAGE_EXITED] = {sizeof(struct message_exited), false},
    [MESSAGE_SIGNAL] = {sizeof(struct message_signal), false},
    [MESSAGE_SIGNALLED] = {sizeof(struct message_header), false},
    [MESSAGE_PING] = {sizeof(struct message_header), false},
    [MESSAGE_PONG] = {sizeof(struct message_header), false},
    [MESSAGE_ROLL] = {sizeof(struct message_header), false},
    [MESSAGE_LISTED] = {sizeof(struct message_listed), false},
    [MESSAGE_ROLLED] = {sizeof(struct message_header), false},
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

int wire_send(int socket, const union message *message, const int *descriptor, int flags)
{
    /* SEQPACKET sends the whole message or fails. */
    return rights_send(socket, message, shapes[message->header.type].length, descriptor,
                       descriptor != NULL && shapes[message->header.type].brings, flags) < 0
               ? -1
               : 0;
}

bool wire_add(struct wire_outbox *outbox, const union message *message, const int *descriptor)
{
    const unsigned type = message->header.type;

    if (outbox->count == PROTOCOL_BATCH)
        return false;
    memcpy((char *)outbox->bytes + outbox->length, message, shapes[type].length);
    outbox->length += shapes[type].length;
    if (descriptor != NULL && shapes[type].brings)
        outbox->descriptors[outbox->descriptor_count++] = *descriptor;
    outbox->count++;
    return true;
}

int wire_flush(struct wire_outbox *outbox, int socket, int flags)
{
    if (outbox->count == 0)
        return 0;
    if (rights_send(socket, outbox->bytes, outbox->length, outbox->descriptors,
                    outbox->descriptor_count, flags) < 0)
        return -1;
    wire_withdraw(outbox);
    return 0;
}

void wire_withdraw(struct wire_outbox *outbox)
{
    outbox->length = 0;
    outbox->count = 0;
    outbox->descriptor_count = 0;
}

/* ---- receiving ---- */

static const struct message_header *header_at(const struct wire_inbox *inbox, size_t at)
{
    const void *bytes = (const char *)inbox->bytes + at; /* all lengths are multiples of 8 */

    return bytes;
}

/* Returns true if the packet has only whole, permitted messages, and their number of descriptors,
 * or fewer if some were cut off.  Sets `bare`. */
static bool is_sound(struct wire_inbox *inbox, unsigned permitted)
{
    unsigned count = 0;
    unsigned brought = 0;
    size_t at = 0;

    while (at < inbox->length) {
        const struct message_header *header = header_at(inbox, at);

        if (++count > PROTOCOL_BATCH || inbox->length - at < sizeof(*header) ||
            header->version != PROTOCOL_VERSION || header->type >= MESSAGE_TYPES ||
            shapes[header->type].length == 0 || (permitted & WIRE_TYPE(header->type)) == 0 ||
            inbox->length - at < shapes[header->type].length)
            return false;
        at += shapes[header->type].length;
        brought += shapes[header->type].brings;
    }
    inbox->bare = brought > 0 && inbox->descriptor_count == 0 && !inbox->cut;
    return at > 0 &&
           (inbox->cut ? inbox->descriptor_count < brought : inbox->descriptor_count == brought);
}

/* Tells the end of file from an empty packet. */
static bool has_ended(int socket)
{
    struct pollfd end = {.fd = socket, .events = POLLRDHUP};

    return poll(&end, 1, 0) > 0;
}

static enum wire_result receive_once(struct wire_inbox *inbox, int socket, unsigned permitted,
                                     int flags)
{
    const bool peeked = (flags & MSG_PEEK) != 0;
    ssize_t length;

    inbox->bare = false;
    inbox->descriptor_count = PROTOCOL_BATCH;
    length = rights_receive(socket, inbox->bytes, sizeof(inbox->bytes), inbox->descriptors,
                            &inbox->descriptor_count, &flags);
    if (length < 0)
        return errno == EAGAIN ? WIRE_EMPTY : WIRE_ERROR;
    if (length == 0 && inbox->descriptor_count == 0 && has_ended(socket))
        return WIRE_CLOSED;
    inbox->length = (size_t)length;
    inbox->cut = (flags & MSG_CTRUNC) != 0;
    inbox->lies = peeked;
    if ((flags & MSG_TRUNC) == 0 && is_sound(inbox, permitted))
        return WIRE_MESSAGE;
    wire_discard(inbox);
    return WIRE_MALFORMED;
}

/* If the kernel lacks memory for the copy, MSG_PEEK shows the packet without descriptors and
 * without an error (net/unix/af_unix.c, unix_peek_fds()).  Taking the packet off needs no memory
 * and shows whether they are really missing.  So this looks a few times before it takes the packet
 * off. */
static enum wire_result receive_packet(struct wire_inbox *inbox, int socket, unsigned permitted,
                                       int flags)
{
    enum { TRIES = 3 };
    enum wire_result result = receive_once(inbox, socket, permitted, flags);

    if (result == WIRE_MALFORMED && inbox->bare && (flags & MSG_PEEK) != 0) {
        inbox->lies = false; /* not received: the next look may show it whole */
        if (inbox->tries++ < TRIES) {
            errno = ENOMEM;
            return WIRE_ERROR;
        }
        result = receive_once(inbox, socket, permitted, flags & ~MSG_PEEK);
    }
    if (result == WIRE_MESSAGE || result == WIRE_MALFORMED)
        inbox->tries = 0;
    return result;
}

bool wire_preview(struct wire_inbox *inbox, int socket, unsigned permitted)
{
    ssize_t length = recv(socket, inbox->bytes, sizeof(inbox->bytes), MSG_PEEK | MSG_DONTWAIT);

    wire_discard(inbox);
    if (length <= 0)
        return false;
    inbox->length = (size_t)length;
    inbox->cut = true;
    if (is_sound(inbox, permitted))
        return true;
    wire_discard(inbox);
    return false;
}

int wire_consume(struct wire_inbox *inbox, int socket)
{
    ssize_t length = 0;

    if (!inbox->lies)
        return 0;
    do {
        /* The kernel closes the packet's descriptors, for which there is no room here. */
        length = recv(socket, NULL, 0, MSG_DONTWAIT | MSG_TRUNC);
    } while (length < 0 && (errno == EINTR || errno == ECONNRESET));
    inbox->lies = length < 0;
    return length < 0 ? -1 : 0;
}

bool wire_is_left(const struct wire_inbox *inbox)
{
    return inbox->taken < inbox->length;
}

void wire_discard(struct wire_inbox *inbox)
{
    while (inbox->descriptors_taken < inbox->descriptor_count)
        release(inbox->descriptors[inbox->descriptors_taken++]);
    inbox->length = 0;
    inbox->taken = 0;
    inbox->descriptor_count = 0;
    inbox->descriptors_taken = 0;
}

enum wire_result wire_receive(struct wire_inbox *inbox, int socket, unsigned permitted,
                              union message *message, int *descriptor, int flags)
{
    enum wire_result result = WIRE_MESSAGE;
    unsigned type;

    *descriptor = -1;
    if (!wire_is_left(inbox)) {
        wire_discard(inbox);
        result = receive_packet(inbox, socket, permitted, flags);
        if (result != WIRE_MESSAGE)
            return result;
    }
    type = header_at(inbox, inbox->taken)->type;
    memcpy(message, header_at(inbox, inbox->taken), shapes[type].length);
    inbox->taken += shapes[type].length;
    if (!shapes[type].brings)
        return WIRE_MESSAGE;
    if (inbox->descriptors_taken == inbox->descriptor_count)
        return WIRE_NO_DESCRIPTOR;
    *descriptor = inbox->descriptors[inbox->descriptors_taken++];
    return WIRE_MESSAGE;
}
