#include "supervisor/takeover/inheritance.h"

#include "dispatcher/shared/rights.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct {
    size_t length; /* without clients */
    bool listed;   /* clients follow */
    bool one;      /* a descriptor comes with it */
    bool for_each; /* a descriptor comes with each client */
} shapes[INHERITANCE_TYPES] = {
    [INHERITANCE_HELLO] = {.length = sizeof(struct inheritance_hello)},
    [INHERITANCE_LISTENER] = {.length = sizeof(struct inheritance_listener), .one = true},
    [INHERITANCE_GO] = {.length = sizeof(struct inheritance_header)},
    [INHERITANCE_RUNNING] = {.length = sizeof(struct inheritance_header), .listed = true},
    [INHERITANCE_QUEUED] = {.length = sizeof(struct inheritance_header),
                            .listed = true,
                            .for_each = true},
    [INHERITANCE_TAKEN] = {.length = sizeof(struct inheritance_header)},
    [INHERITANCE_ALL] = {.length = sizeof(struct inheritance_all)},
    [INHERITANCE_READY] = {.length = sizeof(struct inheritance_ready)},
    [INHERITANCE_COMMITTED] = {.length = sizeof(struct inheritance_header)},
    [INHERITANCE_SERVING] = {.length = sizeof(struct inheritance_header)},
    [INHERITANCE_SETTLED] = {.length = sizeof(struct inheritance_header)},
    [INHERITANCE_ABORTED] = {.length = sizeof(struct inheritance_header)},
    [INHERITANCE_ENDED] = {.length = sizeof(struct inheritance_ended)},
    [INHERITANCE_END] = {.length = sizeof(struct inheritance_end)},
    [INHERITANCE_LEFT] = {.length = sizeof(struct inheritance_header)},
};

static_assert((int)INHERITANCE_BATCH <= (int)RIGHTS_MAXIMUM, "a batch is sent as one message");

static size_t length_of(const struct inheritance_header *header)
{
    return shapes[header->type].length + header->count * sizeof(struct inheritance_client);
}

static unsigned descriptors_of(const struct inheritance_header *header)
{
    return shapes[header->type].for_each ? header->count : shapes[header->type].one;
}

void inheritance_begin(union inheritance *message, enum inheritance_type type)
{
    memset(message, 0, sizeof(*message));
    message->header =
        (struct inheritance_header){.version = INHERITANCE_VERSION, .type = (uint16_t)type};
}

int inheritance_send(int socket, const union inheritance *message, const int *descriptors)
{
    /* SEQPACKET: the whole message or an error. */
    return rights_send(socket, message, length_of(&message->header), descriptors,
                       descriptors_of(&message->header), MSG_DONTWAIT) < 0
               ? -1
               : 0;
}

static bool is_right(int received, size_t length, unsigned permitted,
                     const struct inheritance_header *header, unsigned count)
{
    return (received & (MSG_TRUNC | MSG_CTRUNC)) == 0 && length >= sizeof(*header) &&
           header->version == INHERITANCE_VERSION && header->type < INHERITANCE_TYPES &&
           (permitted & INHERITANCE_SET(header->type)) != 0 &&
           (shapes[header->type].listed ? header->count > 0 && header->count <= INHERITANCE_BATCH
                                        : header->count == 0) &&
           length == length_of(header) && count == descriptors_of(header);
}

enum inheritance_result inheritance_receive(int socket, unsigned permitted,
                                            union inheritance *message,
                                            int descriptors[INHERITANCE_BATCH])
{
    unsigned count = INHERITANCE_BATCH;
    int flags = MSG_DONTWAIT;
    ssize_t length = rights_receive(socket, message, sizeof(*message), descriptors, &count, &flags);

    if (length < 0)
        return errno == EAGAIN ? INHERITANCE_EMPTY : INHERITANCE_MALFORMED;
    /* Nobody sends a message without content. */
    if (length == 0 && count == 0)
        return INHERITANCE_CLOSED;
    if (is_right(flags, (size_t)length, permitted, &message->header, count))
        return INHERITANCE_MESSAGE;
    for (unsigned i = 0; i < count; i++)
        (void)close(descriptors[i]); /* nothing of ours is in it */
    errno = (flags & MSG_CTRUNC) != 0 ? EMFILE : EPROTO;
    return INHERITANCE_MALFORMED;
}
