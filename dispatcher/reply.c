#include "dispatcher/reply.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/wire.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

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

static void reply(const union message *message)
{
    if (wire_add(&outbox, message, NULL))
        return;
    reply_flush();
    if (!wire_add(&outbox, message, NULL))
        log_bug("dispatcher: message type %u does not fit into a packet", message->header.type);
}

/* Sends the gathered messages, and this one behind them. */
static void reply_at_once(const union message *message, int descriptor)
{
    reply_flush();
    while (wire_send(PROTOCOL_SOCKET, message, descriptor < 0 ? NULL : &descriptor, 0) != 0)
        cope();
}

static union message answer(enum message_type type, uint32_t client, uint64_t ticket)
{
    union message message;

    wire_header(&message, type, client, ticket);
    return message;
}

void reply_ready(void)
{
    union message message = answer(MESSAGE_READY, 0, 0);

    message.ready.process = (int32_t)getpid();
    reply(&message);
}

void reply_started(const struct message_header *request, int32_t process, uint32_t age)
{
    union message message = answer(MESSAGE_STARTED, request->client, request->ticket);

    message.started.process = process;
    message.started.age = age;
    reply(&message);
}

void reply_failed(const struct message_header *request, int error, int client)
{
    union message message = answer(MESSAGE_FAILED, request->client, request->ticket);

    message.failed.error = error;
    reply_at_once(&message, client);
}

static uint64_t microseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000u + (uint64_t)time.tv_usec;
}

void reply_exited(uint32_t client, uint64_t ticket, int status, const struct rusage *usage)
{
    union message message = answer(MESSAGE_EXITED, client, ticket);

    message.exited.status = status;
    message.exited.memory = (uint32_t)usage->ru_maxrss;
    message.exited.user_time = microseconds(usage->ru_utime);
    message.exited.system_time = microseconds(usage->ru_stime);
    reply(&message);
}

void reply_signalled(const struct message_signal *request)
{
    union message message =
        answer(MESSAGE_SIGNALLED, request->header.client, request->header.ticket);

    message.signalled.adopted = request->adopted;
    reply(&message);
}

void reply_forked(const struct message_header *request, int32_t process, int error)
{
    union message message = answer(MESSAGE_FORKED, request->client, request->ticket);

    message.forked.process = process < 0 ? 0 : process;
    message.forked.error = error;
    reply(&message);
}

void reply_content(const struct message_read *request, int descriptor, int error)
{
    union message message = answer(MESSAGE_CONTENT, request->header.client, request->header.ticket);

    message.content.file = request->file;
    message.content.error = error;
    reply_at_once(&message, descriptor);
}

void reply_pong(const struct message_header *request)
{
    union message message = answer(MESSAGE_PONG, request->client, request->ticket);

    reply(&message);
}
