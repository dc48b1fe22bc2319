#include "tests/dispatcher/liar/lies.h"

#include "tests/dispatcher/liar/liar.h"
#include "tests/dispatcher/liar/speech.h"
#include "tests/dispatcher/liar/surroundings.h"
#include "tests/dispatcher/liar/truth.h"

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

static void unasked_started(void)
{
    liar.request.header.ticket += 1000000;
    say_started(getpid());
    stay();
}

static void unknown_client(void)
{
    liar.request.header.client = UINT32_MAX;
    say_started(getpid());
    stay();
}

static void started_twice(void)
{
    say_started(serve());
    stay();
}

static void failed_then_started(void)
{
    say_failed();
    say_started(getpid());
    stay();
}

static void started_then_failed(void)
{
    (void)serve();
    say_failed();
    stay();
}

static void started_0(void)
{
    say_started(0);
    stay();
}

static void started_1(void)
{
    say_started(1);
    stay();
}

static void started_minus(void)
{
    say_started(-1);
    stay();
}

static void started_keeper(void)
{
    say_started(getppid());
    pause_for(100);
    exit(0);
}

static void started_supervisor(void)
{
    say_started(supervisor());
    pause_for(100);
    exit(0);
}

static void started_dispatcher(void)
{
    say_started(other_dispatcher());
    pause_for(100);
    exit(0);
}

static void started_itself(void)
{
    say_started(getpid());
    pause_for(100);
    exit(0);
}

static void started_bystander(void)
{
    say_started(bystander());
    pause_for(100);
    exit(0);
}

static void exited_unknown(void)
{
    say_exited(UINT32_MAX, UINT64_MAX);
    stay();
}

static void exited_zero(void)
{
    say_exited(0, 0);
    stay();
}

static void exited_others(void)
{
    for (uint32_t client = 0; client < 16; client++)
        for (uint64_t ticket = 1; ticket <= 64; ticket++)
            say_exited(client, ticket);
    stay();
}

static void exited_before(void)
{
    say_exited(liar.request.header.client, liar.request.header.ticket);
    stay();
}

static void exited_twice(void)
{
    serve_to_the_end();
    say_exited(liar.request.header.client, liar.request.header.ticket);
    stay();
}

/* This handler is no worker. */
static void exited_finished(void)
{
    (void)serve();
    say_finished();
    stay();
}

static void ready_twice(void)
{
    say_ready();
    stay();
}

static void unasked_signalled(void)
{
    say_signalled();
    stay();
}

static void say_header(uint16_t version, uint16_t type)
{
    union message message = answer(MESSAGE_PONG);

    message.header.version = version;
    message.header.type = type;
    say_raw(&message, sizeof(message.header), -1, 0);
    stay();
}

static void unknown_type(void)
{
    say_header(PROTOCOL_VERSION, MESSAGE_TYPES);
}

static void other_version(void)
{
    say_header(PROTOCOL_VERSION - 1, MESSAGE_READY);
}

static void unasked_pong(void)
{
    say_pong();
    stay();
}

static void empty(void)
{
    say_raw("", 0, -1, 0);
    stay();
}

static void empty_with_descriptors(void)
{
    say_raw("", 0, open_pipe(), 8);
    stay();
}

static void stray(void)
{
    union message message = answer(MESSAGE_STARTED);

    message.started.process = getpid();
    say_raw(&message, sizeof(message.started), open_pipe(), 1);
    stay();
}

static void strays(void)
{
    union message message = answer(MESSAGE_STARTED);

    message.started.process = getpid();
    say_raw(&message, sizeof(message.started), open_pipe(), 8);
    stay();
}

const struct lie start_lies[] = {
    {"unasked-started", MESSAGE_START, unasked_started},
    {"unknown-client", MESSAGE_START, unknown_client},
    {"started-twice", MESSAGE_START, started_twice},
    {"failed-then-started", MESSAGE_START, failed_then_started},
    {"started-then-failed", MESSAGE_START, started_then_failed},
    {"started-0", MESSAGE_START, started_0},
    {"started-1", MESSAGE_START, started_1},
    {"started-minus", MESSAGE_START, started_minus},
    {"started-keeper", MESSAGE_START, started_keeper},
    {"started-supervisor", MESSAGE_START, started_supervisor},
    {"started-dispatcher", MESSAGE_START, started_dispatcher},
    {"started-itself", MESSAGE_START, started_itself},
    {"started-bystander", MESSAGE_START, started_bystander},
    {"exited-unknown", MESSAGE_START, exited_unknown},
    {"exited-zero", MESSAGE_START, exited_zero},
    {"exited-others", MESSAGE_START, exited_others},
    {"exited-before", MESSAGE_START, exited_before},
    {"exited-twice", MESSAGE_START, exited_twice},
    {"exited-finished", MESSAGE_START, exited_finished},
    {"ready-twice", MESSAGE_START, ready_twice},
    {"unasked-signalled", MESSAGE_START, unasked_signalled},
    {"unknown-type", MESSAGE_START, unknown_type},
    {"other-version", MESSAGE_START, other_version},
    {"unasked-pong", MESSAGE_START, unasked_pong},
    {"empty", MESSAGE_START, empty},
    {"empty-with-descriptors", MESSAGE_START, empty_with_descriptors},
    {"stray", MESSAGE_START, stray},
    {"strays", MESSAGE_START, strays},
    {NULL, 0, NULL},
};
