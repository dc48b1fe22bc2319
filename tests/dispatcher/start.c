/*
 * Starts that are under way: each is answered once, those that are done together in one packet; one
 * that fails gives its connection back itself; those that hang are looked for less and less often;
 * a slot is not taken twice.
 *
 * Stands on both ends of the socket that a dispatcher has.
 */
#include "dispatcher/start.h"

#include "dispatcher/children.h"
#include "dispatcher/environment.h"
#include "dispatcher/reply.h"
#include "dispatcher/setup.h"
#include "dispatcher/shared/kernel_call.h"
#include "dispatcher/shared/wire.h"

#include "tests/shared/check.h"
#include "tests/shared/program.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { LOOKS = 10000, ANSWERS = PROTOCOL_BATCH };

static char name[] = "handler";
static char *arguments[] = {name, NULL};
static struct setup setup;
static const struct spawn_command good = {
    .path = "./handler", .arguments = arguments, .setup = &setup};
static const struct spawn_command bad = {
    .path = "./missing", .arguments = arguments, .setup = &setup};

static struct ledger ledger;
static int supervisor; /* its end */
static struct wire_inbox inbox;

/* ---- both ends ---- */

static void open_ends(void)
{
    int pair[2];

    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    supervisor = fcntl(pair[1], F_DUPFD_CLOEXEC, 10);
    CHECK(supervisor >= 10);
    CHECK(dup2(pair[0], 9) == 9); /* in case that one of them is where it is to be */
    (void)close(pair[0]);
    (void)close(pair[1]);
    CHECK(dup3(9, PROTOCOL_SOCKET, O_CLOEXEC) == PROTOCOL_SOCKET);
    (void)close(9);
}

static union message request_of(unsigned slot, uint64_t ticket)
{
    union message message = {0};

    wire_header(&message, MESSAGE_START, (uint32_t)ticket + 1000, ticket);
    message.start.slot = slot;
    message.start.local.family = message.start.remote.family = AF_INET;
    return message;
}

/* Returns what tells when all copies of the client's descriptor are closed. */
static int begin(const struct spawn_command *command, unsigned slot, uint64_t ticket)
{
    union message message = request_of(slot, ticket);
    int ends[2] = {-1, -1};

    CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    start_begin(command, &ledger, &message.start, ends[1]);
    (void)close(ends[1]);
    return ends[0];
}

/* As service.c does, but for who has ended. */
static void until_idle(void)
{
    for (int look = 0; start_timeout() != -1 && look < LOOKS; look++) {
        (void)poll(NULL, 0, start_timeout());
        start_rest();
        start_collect();
    }
    CHECK(start_timeout() == -1);
}

/* Until this one is done, whatever the others do. */
static void until_over(unsigned slot)
{
    for (int look = 0; !spawn_is_over(slot) && look < LOOKS; look++)
        (void)usleep(10000);
    start_collect();
}

/* Receives so many answers of this type, one for each ticket from `first` on in any order: of
 * STARTED in one packet, of FAILED in one each, with a descriptor.  `processes`, if it is not NULL,
 * gets who was started for which. */
static void expect(enum message_type type, unsigned count, uint64_t first, int32_t *processes)
{
    bool came[ANSWERS] = {false};
    int descriptor;
    union message message;

    reply_flush();
    for (unsigned i = 0; i < count; i++) {
        uint64_t at;

        CHECK(wire_receive(&inbox, supervisor, ~0u, &message, &descriptor, MSG_DONTWAIT) ==
              WIRE_MESSAGE);
        at = message.header.ticket - first;
        CHECK(message.header.type == type && at < count && !came[at]);
        if (at >= count)
            continue;
        came[at] = true;
        CHECK(message.header.client == message.header.ticket + 1000);
        CHECK(wire_is_left(&inbox) == (type == MESSAGE_STARTED && i + 1 < count));
        if (type == MESSAGE_FAILED) {
            CHECK(message.failed.error == ENOENT);
            CHECK(descriptor >= 0 && close(descriptor) == 0);
        }
        if (processes != NULL)
            processes[at] = message.started.process;
    }
    CHECK(wire_receive(&inbox, supervisor, ~0u, &message, &descriptor, MSG_DONTWAIT) == WIRE_EMPTY);
}

/* The handler of this ticket runs, or has ended and was not reaped. */
static void reap(int32_t process, uint64_t ticket, int expected)
{
    const struct child_record *found = children_find(process);
    int status = -1;

    CHECK(found != NULL && found->ticket == ticket);
    CHECK(waitpid(process, &status, 0) == process && status == expected);
    start_reaped(process, status);
    CHECK(children_find(process) == found); /* its end is yet to be reported */
    children_remove(process);
}

static void check_nobody_left(void)
{
    CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

static bool is_closed(int client)
{
    char byte;

    return read(client, &byte, 1) == 0;
}

/* ---- what is tested ---- */

static void started_together(void)
{
    int hold = program_hold(name);
    int clients[PROTOCOL_SLOTS];
    int32_t processes[PROTOCOL_SLOTS] = {0};

    CHECK(start_timeout() == -1);
    for (unsigned slot = 0; slot < PROTOCOL_SLOTS; slot++)
        clients[slot] = begin(&good, slot, 100 + slot);
    start_collect();
    expect(MESSAGE_STARTED, 0, 0, NULL);
    program_release(hold);
    until_idle();
    expect(MESSAGE_STARTED, PROTOCOL_SLOTS, 100, processes);
    for (unsigned slot = 0; slot < PROTOCOL_SLOTS; slot++) {
        CHECK(ledger.slots[slot].process == processes[slot]);
        reap(processes[slot], 100 + slot, 0);
        CHECK(is_closed(clients[slot]));
        (void)close(clients[slot]);
    }
    check_nobody_left();
    expect(MESSAGE_STARTED, 0, 0, NULL);
}

static void failed_together(void)
{
    int clients[PROTOCOL_SLOTS];

    for (unsigned slot = 0; slot < PROTOCOL_SLOTS; slot++)
        clients[slot] = begin(&bad, slot, 200 + slot);
    until_idle();
    for (unsigned slot = 0; slot < PROTOCOL_SLOTS; slot++)
        CHECK(!is_closed(clients[slot]) && errno == EAGAIN); /* it has been given back */
    expect(MESSAGE_FAILED, PROTOCOL_SLOTS, 200, NULL);
    for (unsigned slot = 0; slot < PROTOCOL_SLOTS; slot++) {
        CHECK(is_closed(clients[slot]));
        (void)close(clients[slot]);
        CHECK(children_find(ledger.slots[slot].process) == NULL);
    }
    check_nobody_left();
}

/* Two hang in the middle, and one more fails beside them. */
static void hanging(void)
{
    int hold = program_hold(name);
    int last = 0;
    int timeout = 0;
    int32_t processes[2] = {0};
    int clients[2] = {begin(&good, 3, 300), begin(&good, 7, 301)};

    CHECK(start_timeout() == 5);
    for (int i = 0; i < 10; i++, last = timeout) {
        timeout = start_timeout();
        CHECK(timeout > 0 && timeout >= last && timeout <= 80);
        start_rest();
        start_collect();
    }
    CHECK(timeout == 80 && start_timeout() != -1);

    (void)close(begin(&bad, 5, 302));
    CHECK(start_timeout() == 5);
    until_over(5);
    expect(MESSAGE_FAILED, 1, 302, NULL);
    CHECK(start_timeout() == 5);
    program_release(hold);
    until_idle();
    expect(MESSAGE_STARTED, 2, 300, processes);
    for (int i = 0; i < 2; i++) {
        reap(processes[i], 300 + (uint64_t)i, 0);
        (void)close(clients[i]);
    }
}

/* Nobody is answered for a START that no supervisor sends. */
static void refused(void)
{
    int hold = program_hold(name);
    int client = begin(&good, 4, 400);
    int again = begin(&good, 4, 401);
    int32_t process = ledger.slots[4].process;
    int beyond = begin(&good, PROTOCOL_SLOTS, 402);
    int far = begin(&good, UINT32_MAX, 403);

    CHECK(is_closed(again) && is_closed(beyond) && is_closed(far));
    CHECK(!is_closed(client) && errno == EAGAIN);
    CHECK(ledger.slots[4].process == process && children_find(process)->ticket == 400);
    program_release(hold);
    until_idle();
    expect(MESSAGE_STARTED, 1, 400, NULL);
    reap(process, 400, 0);
    check_nobody_left();
    (void)close(client);
    (void)close(again);
    (void)close(beyond);
    (void)close(far);
}

/* Who has failed has said so, and its slot may be given to another before it is known here. */
static void given_again(void)
{
    int first = begin(&bad, 6, 450);
    int second;
    struct pollfd event = {.fd = supervisor, .events = POLLIN};

    CHECK(poll(&event, 1, 20000) == 1);
    second = begin(&bad, 6, 451);
    until_idle();
    expect(MESSAGE_FAILED, 2, 450, NULL);
    check_nobody_left();
    (void)close(first);
    (void)close(second);
}

static unsigned fill_socket(void)
{
    static const char byte;
    unsigned count = 0;

    while (send(PROTOCOL_SOCKET, &byte, sizeof(byte), MSG_DONTWAIT) > 0)
        count++;
    return count;
}

static void await_error(unsigned slot)
{
    for (int look = 0; spawn_error(slot) == 0 && look < LOOKS; look++)
        (void)usleep(10000);
    CHECK(spawn_error(slot) != 0);
}

static volatile int32_t stopped;
static volatile sig_atomic_t waited_in_vain;

static void on_alarm(int signal_number)
{
    (void)signal_number;
    waited_in_vain = 1;
    (void)kill(stopped, SIGKILL);
}

/* A child is stopped once it has said FAILED: the dispatcher kills it and uses its slot again. */
static void given_again_stopped(void)
{
    unsigned full = fill_socket();
    char byte;
    int first = begin(&bad, 6, 460);
    int second;
    siginfo_t information = {0};

    await_error(6);
    stopped = ledger.slots[6].process;
    /* The kernel stops the child as soon as its message arrives here. */
    CHECK(stopped > 1 && fcntl(supervisor, F_SETOWN, stopped) == 0);
    CHECK(fcntl(supervisor, F_SETSIG, SIGSTOP) == 0 && fcntl(supervisor, F_SETFL, O_ASYNC) == 0);
    for (; full > 0; full--)
        CHECK(recv(supervisor, &byte, sizeof(byte), MSG_DONTWAIT) == 1);
    CHECK(signal(SIGALRM, on_alarm) != SIG_ERR);
    (void)alarm(20);
    CHECK(waitid(P_PID, (id_t)stopped, &information, WSTOPPED | WEXITED | WNOWAIT) == 0);
    CHECK(information.si_code == CLD_STOPPED && fcntl(supervisor, F_SETFL, 0) == 0);
    second = begin(&bad, 6, 461);
    (void)alarm(0);
    CHECK(!waited_in_vain);
    until_idle();
    expect(MESSAGE_FAILED, 2, 460, NULL);
    check_nobody_left();
    (void)close(first);
    (void)close(second);
}

/* One of two is killed, and reaped, before its exec: it was a handler, and its slot is free. */
static void killed(void)
{
    int hold = program_hold(name);
    int client = begin(&good, 0, 500);
    int other = begin(&good, 1, 501);
    int32_t process = ledger.slots[0].process;
    int32_t remaining = ledger.slots[1].process;
    int32_t said = 0;

    CHECK(process > 0 && kill(process, SIGKILL) == 0);
    reap(process, 500, SIGKILL);
    CHECK(start_timeout() != -1);
    expect(MESSAGE_STARTED, 1, 500, &said);
    CHECK(said == process && is_closed(client));
    (void)close(client);
    (void)close(begin(&bad, 0, 502));
    until_over(0);
    expect(MESSAGE_FAILED, 1, 502, NULL);
    CHECK(remaining > 0 && kill(remaining, 0) == 0);
    program_release(hold);
    until_idle();
    expect(MESSAGE_STARTED, 1, 501, NULL);
    reap(remaining, 501, 0);
    check_nobody_left();
    (void)close(other);
}

/* Whose exec has failed, and who waits for room to say so, is killed: nobody here can know whether
 * it has.  The dispatcher leaves that to the supervisor. */
static int die(void)
{
    int32_t process;

    (void)fill_socket();
    (void)begin(&bad, 2, 550);
    process = ledger.slots[2].process;
    await_error(2);
    CHECK(process > 1 && kill(process, SIGKILL) == 0);
    until_over(2); /* does not return */
    return 2;
}

static void killed_failing(void)
{
    int status = -1;
    pid_t dispatcher = fork();

    if (dispatcher == 0)
        _exit(die());
    CHECK(waitpid(dispatcher, &status, 0) == dispatcher && status == 1 << 8);
    while (recv(supervisor, inbox.bytes, sizeof(inbox.bytes), MSG_DONTWAIT) > 0)
        ;
}

int main(int argc, char **argv)
{
    (void)argc;
    if (strcmp(argv[0], name) == 0)
        return 0;
    open_ends();
    program_copy(name);
    CHECK(environment_prepare(false) == 0);
    setup_rest(); /* as a dispatcher does, so that a handler can wake */
    failed_together();
    if (KERNEL_CALL_IS_BARE) { /* else each is waited for, and none can be held */
        started_together();
        hanging();
        refused();
        given_again();
        given_again_stopped();
        killed();
        killed_failing();
    }
    return CHECK_RESULT();
}
