#include "supervisor/takeover/inheritance.h"

#include "dispatcher/shared/rights.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of the types that are more than a header, without their clients. */
static const size_t lengths[INHERITANCE_TYPES] = {
    [INHERITANCE_HELLO] = sizeof(struct inheritance_hello),
    [INHERITANCE_LISTENER] = sizeof(struct inheritance_listener),
    [INHERITANCE_SETTING] = sizeof(struct inheritance_setting),
    [INHERITANCE_ALL] = sizeof(struct inheritance_all),
    [INHERITANCE_READY] = sizeof(struct inheritance_ready),
    [INHERITANCE_ENDED] = sizeof(struct inheritance_ended),
    [INHERITANCE_END] = sizeof(struct inheritance_end),
};

static_assert((int)INHERITANCE_BATCH <= (int)RIGHTS_MAXIMUM, "a batch is sent as one message");

void inheritance_note(struct inheritance_settings *settings, const char *name, const char *value)
{
    struct inheritance_limit limit = {.name = ""};
    uint32_t i = 0;

    if (strlen(name) >= sizeof(limit.name) || strlen(value) >= sizeof(limit.value))
        return;
    (void)snprintf(limit.name, sizeof(limit.name), "%s", name);
    (void)snprintf(limit.value, sizeof(limit.value), "%s", value);
    while (i < settings->count && strcmp(settings->list[i].name, name) != 0)
        i++;
    if (i == INHERITANCE_SETTINGS)
        return;
    settings->list[i] = limit;
    if (i == settings->count)
        settings->count++;
}

static size_t length_of(const struct inheritance_header *header)
{
    size_t length = lengths[header->type];

    return length != 0 ? length
                       : sizeof(*header) + header->count * sizeof(struct inheritance_client);
}

static unsigned descriptors_of(const struct inheritance_header *header)
{
    return header->type == INHERITANCE_LISTENER ? 1
           : header->type == INHERITANCE_QUEUED ? header->count
                                                : 0;
}

static bool has_clients(const struct inheritance_header *header)
{
    return header->type == INHERITANCE_RUNNING || header->type == INHERITANCE_QUEUED;
}

int inheritance_send(int socket, enum inheritance_type type, union inheritance *message,
                     const int *descriptors)
{
    struct inheritance_header *header = &message->header;

    header->version = INHERITANCE_VERSION;
    header->type = (uint16_t)type;
    /* SEQPACKET: the whole message or an error. */
    return rights_send(socket, message, length_of(header), descriptors, descriptors_of(header),
                       MSG_DONTWAIT) < 0
               ? -1
               : 0;
}

int inheritance_say(int socket, enum inheritance_type type)
{
    return inheritance_send(socket, type, &(union inheritance){.header = {.count = 0}}, NULL);
}

static bool is_sound(int received, size_t length, unsigned permitted,
                     const struct inheritance_header *header, unsigned count)
{
    return (received & (MSG_TRUNC | MSG_CTRUNC)) == 0 && length >= sizeof(*header) &&
           header->version == INHERITANCE_VERSION && header->type >= INHERITANCE_HELLO &&
           header->type < INHERITANCE_TYPES && (permitted & INHERITANCE_SET(header->type)) != 0 &&
           (has_clients(header) ? header->count > 0 && header->count <= INHERITANCE_BATCH
                                : header->count == 0) &&
           length == length_of(header) && count == descriptors_of(header);
}

enum inheritance_type inheritance_receive(int socket, unsigned permitted,
                                          union inheritance *message,
                                          int descriptors[INHERITANCE_BATCH])
{
    unsigned count = INHERITANCE_BATCH;
    int flags = MSG_DONTWAIT;
    ssize_t length = rights_receive(socket, message, sizeof(*message), descriptors, &count, &flags);

    if (length < 0)
        return 0;
    if (is_sound(flags, (size_t)length, permitted, &message->header, count))
        return message->header.type;
    for (unsigned i = 0; i < count; i++)
        (void)close(descriptors[i]); /* we have written nothing to it */
    /* No message is empty. */
    errno = length == 0 && count == 0 ? ECONNRESET : (flags & MSG_CTRUNC) != 0 ? EMFILE : EPROTO;
    return 0;
}
