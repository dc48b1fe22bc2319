#include "tests/dispatcher/liar/lies.h"

#include "dispatcher/shared/wire.h"
#include "tests/dispatcher/liar/liar.h"
#include "tests/dispatcher/liar/speech.h"
#include "tests/dispatcher/liar/surroundings.h"
#include "tests/dispatcher/liar/truth.h"

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif

static _Noreturn void noise(void)
{
    int stray_one = open_pipe();

    srandom(1);
    for (;;) {
        char bytes[200];
        size_t length = (size_t)random() % sizeof(bytes);

        for (size_t i = 0; i < length; i++)
            bytes[i] = (char)random();
        say_raw(bytes, length, stray_one, (unsigned)random() % 4);
    }
}

static void noise_forever(void)
{
    noise();
}

static void write_ledger(void)
{
    const int32_t processes[] = {-1, other_dispatcher(), bystander(), getppid()};

    for (unsigned i = 0; i < PROTOCOL_SLOTS; i++) {
        liar.service.ledger->slots[i].process = processes[i % 4];
    }
    pause_for(100); /* until every slot may be used */
    for (unsigned i = 0; i < PROTOCOL_SLOTS; i++)
        liar.service.ledger->slots[i].process = processes[(i + liar.request.start.slot) % 4];
    _exit(0);
}

static void cut_ledger(void)
{
    if (ftruncate(liar.ledger, 0) == 0)
        say_failed();
    pause_for(200);
    exit(0);
}

static void half_closed(void)
{
    (void)shutdown(PROTOCOL_SOCKET, SHUT_WR);
    stay();
}

static void closed(void)
{
    (void)close(PROTOCOL_SOCKET);
    stay();
}

static void dead(void)
{
    _exit(0);
}

/* From now on the supervisor cannot have it killed. */
static void slip_the_leash(void)
{
    (void)fcntl(PROTOCOL_SOCKET, F_SETOWN, 0);
}

static void unleashed(void)
{
    slip_the_leash();
    say_started(0);
    stay();
}

static void unleashed_noise(void)
{
    slip_the_leash();
    noise();
}

/* Puts off whoever closes the connection last, for a minute, if not asked to let it be. */
static void failed_lingering(void)
{
    static const char bytes[1 << 16];
    const struct linger linger = {.l_onoff = 1, .l_linger = 60};

    pause_for(500);
    (void)setsockopt(liar.given[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    while (send(liar.given[0], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ;
    say_failed();
    (void)close(liar.given[0]);
    (void)wire_consume(&liar.service.inbox, PROTOCOL_SOCKET);
    exit(0);
}

/* Answers this START, and all that come, in the same way, until none can come. */
static void answer_all(void (*answer_start)(void))
{
    const int socket = PROTOCOL_SOCKET;
    enum wire_result result = WIRE_MESSAGE;

    while (result == WIRE_MESSAGE) {
        if (liar.request.header.type == MESSAGE_START)
            answer_start();
        if (!wire_is_left(&liar.service.inbox))
            (void)wire_consume(&liar.service.inbox, socket);
        result =
            wire_receive(&liar.service.inbox, socket, ~0u, &liar.request, liar.given, MSG_PEEK);
    }
}

static void fail(void)
{
    say_failed();
    (void)close(liar.given[0]);
}

static void failed_always(void)
{
    answer_all(fail);
    exit(0);
}

/* Has the kernel put a descriptor of the sender beside all that is sent from now on, and leaves the
 * next packet in the socket.  Kernels before 6.5 do not know how. */
static void with_processes(void)
{
    const int yes = 1;
    struct pollfd next = {.fd = PROTOCOL_SOCKET, .events = POLLIN};

    (void)setsockopt(PROTOCOL_SOCKET, SOL_SOCKET, SO_PASSPIDFD, &yes, sizeof(yes));
    serve_to_the_end();
    while (wire_is_left(&liar.service.inbox) &&
           wire_receive(&liar.service.inbox, PROTOCOL_SOCKET, ~0u, &liar.request, liar.given, 0) ==
               WIRE_MESSAGE)
        serve_to_the_end();
    (void)wire_consume(&liar.service.inbox, PROTOCOL_SOCKET);
    (void)poll(&next, 1, -1);
    exit(0);
}

static void without_rights(void)
{
    refuse_rights();
    answer_all(serve_to_the_end);
    exit(0);
}

/* Can be sent nothing more, and cannot be killed either. */
static void deaf(void)
{
    slip_the_leash();
    (void)shutdown(PROTOCOL_SOCKET, SHUT_RD);
    answer_all(serve_to_the_end);
    stay();
}

const struct lie conduct_lies[] = {
    {"noise", MESSAGE_START, noise_forever},
    {"ledger", MESSAGE_START, write_ledger},
    {"cut-ledger", MESSAGE_START, cut_ledger},
    {"half-closed", MESSAGE_START, half_closed},
    {"closed", MESSAGE_START, closed},
    {"silent", MESSAGE_START, stay},
    {"dead", MESSAGE_START, dead},
    {"failed-lingering", MESSAGE_START, failed_lingering},
    {"failed-always", MESSAGE_START, failed_always},
    {"with-processes", MESSAGE_START, with_processes},
    {"without-rights", MESSAGE_START, without_rights},
    {"deaf", MESSAGE_START, deaf},
    {"unleashed", MESSAGE_START, unleashed},
    {"unleashed-noise", MESSAGE_START, unleashed_noise},
    {NULL, 0, NULL},
};
