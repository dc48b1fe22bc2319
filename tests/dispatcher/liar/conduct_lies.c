#include "tests/dispatcher/liar/lies.h"

#include "dispatcher/shared/wire.h"
#include "tests/dispatcher/liar/liar.h"
#include "tests/dispatcher/liar/speech.h"
#include "tests/dispatcher/liar/surroundings.h"
#include "tests/dispatcher/liar/truth.h"

#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ORPHANS = 200 };

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif

static void noise(void)
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

/* All other dispatchers have the same file. */
static void change_setup(void)
{
    const uint32_t version = 0;

    if (pwrite(liar.setup, &version, sizeof(version), 0) >= 0 || ftruncate(liar.setup, 0) == 0)
        say_failed();
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

static void stopped(void)
{
    (void)raise(SIGSTOP);
    stay();
}

/* The keeper reaps children that lead sessions, as handlers do, and are none. */
static void leave_orphans(void)
{
    for (int i = 0; i < ORPHANS; i++)
        if (fork() == 0) {
            (void)setsid();
            _exit(0);
        }
    exit(0);
}

/* The last close of the connection takes a minute, unless SO_LINGER is cleared first. */
static void failed_lingering(void)
{
    static const char bytes[1 << 16];
    const struct linger linger = {.l_onoff = 1, .l_linger = 60};

    pause_for(500);
    (void)setsockopt(liar.given, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    while (send(liar.given, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ;
    say_failed();
    (void)close(liar.given);
    (void)wire_consume(&liar.service.inbox, PROTOCOL_SOCKET);
    exit(0);
}

/* Answers this START and all further ones in the same way, until end of file. */
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
            wire_receive(&liar.service.inbox, socket, ~0u, &liar.request, &liar.given, MSG_PEEK);
    }
}

static void fail(void)
{
    say_failed();
    (void)close(liar.given);
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
           wire_receive(&liar.service.inbox, PROTOCOL_SOCKET, ~0u, &liar.request, &liar.given, 0) ==
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

/* Can be sent nothing more. */
static void deaf(void)
{
    (void)shutdown(PROTOCOL_SOCKET, SHUT_RD);
    answer_all(serve_to_the_end);
    stay();
}

const struct lie conduct_lies[] = {
    {"noise", MESSAGE_START, noise},
    {"ledger", MESSAGE_START, write_ledger},
    {"cut-ledger", MESSAGE_START, cut_ledger},
    {"change-setup", MESSAGE_START, change_setup},
    {"half-closed", MESSAGE_START, half_closed},
    {"closed", MESSAGE_START, closed},
    {"silent", MESSAGE_START, stay},
    {"dead", MESSAGE_START, dead},
    {"failed-lingering", MESSAGE_START, failed_lingering},
    {"failed-always", MESSAGE_START, failed_always},
    {"with-processes", MESSAGE_START, with_processes},
    {"without-rights", MESSAGE_START, without_rights},
    {"deaf", MESSAGE_START, deaf},
    {"stopped", MESSAGE_START, stopped},
    {"orphans", MESSAGE_START, leave_orphans},
    {NULL, 0, NULL},
};
