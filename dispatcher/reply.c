#include "dispatcher/reply.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/wire.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

static struct wire_outbox outbox;

_Noreturn void reply_leave(void)
{
    exit(0);
}

bool reply_lacks_memory(void)
{
    if (errno != ENOMEM && errno != ENOBUFS && errno != EAGAIN && errno != ETOOMANYREFS)
        return false;
    (void)poll(NULL, 0, 10); /* milliseconds; a signal may cut it short */
    return true;
}

/* Handles an error of sending.  Returns if another attempt may succeed. */
static void cope(void)
{
    if (errno == EPIPE || errno == ECONNRESET)
        reply_leave();
    if (!reply_lacks_memory())
        log_die(1, "dispatcher: cannot answer the supervisor: %m");
}

void reply_flush(void)
{
    while (wire_flush(&outbox, PROTOCOL_SOCKET, 0) != 0)
        cope();
}

union message reply_to(const struct message_header *request, enum message_type type)
{
    union message message;

    wire_header(&message, type, request->client, request->ticket);
    return message;
}

void reply_send(const union message *message, const int *descriptor)
{
    if (descriptor == NULL && wire_add(&outbox, message, NULL))
        return;
    reply_flush();
    while (wire_send(PROTOCOL_SOCKET, message, descriptor, 0) != 0)
        cope();
}
