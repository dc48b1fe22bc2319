#include "tests/dispatcher/liar/speech.h"

#include "dispatcher/shared/wire.h"
#include "tests/dispatcher/liar/liar.h"
#include "tests/shared/raw.h"

#include <errno.h>
#include <stdlib.h>

void say_raw(const void *bytes, size_t length, int descriptor, unsigned count)
{
    while (raw_send(PROTOCOL_SOCKET, bytes, length, descriptor, count) < 0)
        if (errno == EPIPE || errno == ECONNRESET)
            exit(0);
}

union message answer(enum message_type type)
{
    union message message;

    wire_header(&message, type, liar.request.header.client, liar.request.header.ticket);
    return message;
}

void say(const union message *message)
{
    (void)wire_send(PROTOCOL_SOCKET, message, NULL, 0);
}

void say_started(int32_t process)
{
    union message message = answer(MESSAGE_STARTED);

    message.started.process = process;
    say(&message);
}

void say_failed(void)
{
    union message message = answer(MESSAGE_FAILED);

    message.failed.error = EIO;
    /* The client, if we still have it; else any socket. */
    if (wire_send(PROTOCOL_SOCKET, &message, &liar.given, 0) != 0)
        (void)wire_send(PROTOCOL_SOCKET, &message, (const int[]){PROTOCOL_SOCKET}, 0);
}

void say_exited(uint32_t client, uint64_t ticket)
{
    union message message;

    wire_header(&message, MESSAGE_EXITED, client, ticket);
    say(&message);
}

void say_finished(void)
{
    union message message = answer(MESSAGE_EXITED);

    message.exited.finished = 1;
    say(&message);
}

void say_ready(void)
{
    union message message;

    wire_header(&message, MESSAGE_READY, 0, 0);
    say(&message);
}

void say_signalled(void)
{
    union message message = answer(MESSAGE_SIGNALLED);

    say(&message);
}

void say_pong(void)
{
    union message message = answer(MESSAGE_PONG);

    say(&message);
}
