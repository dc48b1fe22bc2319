#include "tests/dispatcher/hostile/hostile.h"

#include "dispatcher/shared/wire.h"
#include "tests/shared/check.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FORGERIES = 400 };

/* Starts a handler in slot 0, which exits once the returned descriptor is closed. */
static int start_staying(uint64_t ticket)
{
    union message message;
    int client[2];

    open_pipe(client);
    wire_header(&message, MESSAGE_START, 1, ticket);
    ask(&message, client);
    (void)close(client[0]);
    await_answers(MESSAGE_STARTED);
    CHECK(hostile.started.header.ticket == ticket && hostile.started.process > 1);
    for (int look = 0; count_handled() < hostile.due[MESSAGE_EXITED] && look < PATIENCE; look++)
        (void)usleep(1000);
    return client[1];
}

/* Returns the request for a signal to the last handler, under this ticket. */
static union message signal_to_last(uint64_t ticket, int32_t signal_number)
{
    union message message;

    wire_header(&message, MESSAGE_SIGNAL, 1, ticket);
    message.signal.process = hostile.started.process;
    message.signal.signal = signal_number;
    return message;
}

static void signal_last(uint64_t ticket, int32_t signal_number)
{
    union message message = signal_to_last(ticket, signal_number);

    ask(&message, hostile.kinds);
    await_answers(MESSAGE_SIGNALLED);
}

/* Waits for the end of the last handler, and checks how it ended. */
static void check_exit(uint64_t ticket, int status)
{
    settle();
    CHECK(hostile.exited.header.ticket == ticket && hostile.exited.status == status);
}

/* Without its ticket, a process is not the handler: another may have got the number. */
void try_tickets(void)
{
    static const uint64_t wrong[] = {0,         1, 76, 78, UINT32_MAX, 77 + (UINT64_C(1) << 32),
                                     UINT64_MAX};
    int client = start_staying(77);

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        signal_last(wrong[i], SIGTERM);
        signal_last(wrong[i], SIGKILL);
    }
    (void)close(client);
    check_exit(77, 0);

    client = start_staying(78);
    signal_last(78, SIGTERM);
    check_exit(78, SIGTERM);
    (void)close(client);
}

/* The dispatcher has a handler while it forks, and the new dispatcher must not signal that handler.
 */
void try_forked(void)
{
    struct wire_inbox heard = {0};
    int client = start_staying(80);
    int descriptors[WIRE_DESCRIPTORS];
    union message message;
    int ends[2];

    open_pair(ends);
    ask_fork(ends[1], hostile.kinds[KIND_LEDGER]);
    (void)close(ends[1]);
    CHECK(wire_receive(&heard, ends[0], WIRE_TYPE(MESSAGE_READY), &message, descriptors, 0) ==
          WIRE_MESSAGE);
    message = signal_to_last(80, SIGKILL);
    CHECK(wire_send(ends[0], &message, NULL, 0) == 0);
    CHECK(wire_receive(&heard, ends[0], WIRE_TYPE(MESSAGE_SIGNALLED), &message, descriptors, 0) ==
          WIRE_MESSAGE);
    (void)close(ends[0]);
    (void)close(client);
    check_exit(80, 0);
}

/* Starts a process that writes a bystander into the ledger without pause. */
static pid_t start_forger(void)
{
    pid_t forger = fork_or_give_up();

    if (forger != 0)
        return forger;
    for (;;)
        for (int i = 0; i < PROTOCOL_SLOTS; i++)
            __atomic_store_n(&hostile.ledger->slots[i].process, (int32_t)hostile.bystanders[0],
                             __ATOMIC_SEQ_CST);
}

void forge(void)
{
    pid_t forger = start_forger();

    for (unsigned i = 0; i < FORGERIES && is_living(hostile.bystanders[0]); i++) {
        ask_start(i % PROTOCOL_SLOTS);
        ask_signal((int32_t)hostile.bystanders[0], SIGKILL, 0);
        await_answers(MESSAGE_STARTED);
        await_answers(MESSAGE_SIGNALLED);
        CHECK(hostile.started.process != (int32_t)hostile.bystanders[0]);
    }
    (void)kill(forger, SIGKILL);
    (void)waitpid(forger, NULL, 0);
    settle();
}

/* Asks a stopped dispatcher to signal `process` as the group of an adopted handler, and exits.  The
 * process that adopts the dispatcher is the parent of `process`. */
static _Noreturn void be_supervisor(const char *program, int32_t process, int tell)
{
    int status;

    start_dispatcher(program);
    await_ready();
    (void)kill(hostile.dispatcher, SIGSTOP);
    (void)waitpid(hostile.dispatcher, &status, WUNTRACED);
    CHECK(WIFSTOPPED(status));
    ask_signal(process, SIGKILL, 1);
    CHECK(write(tell, &hostile.dispatcher, sizeof(pid_t)) == sizeof(pid_t));
    _exit(CHECK_RESULT());
}

void orphan(const char *program)
{
    int tell[2];
    pid_t child;
    pid_t victim = fork_or_give_up();
    pid_t left = 0;
    int status = -1;

    if (victim == 0) {
        (void)setsid();
        stay();
    }
    while (getsid(victim) != victim)
        (void)poll(NULL, 0, 1);
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    open_pipe(tell);
    child = fork_or_give_up();
    if (child == 0)
        be_supervisor(program, (int32_t)victim, tell[1]);
    CHECK(read(tell[0], &left, sizeof(left)) == sizeof(left));
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    if (left <= 0)
        return;
    (void)kill(left, SIGCONT);
    /* Behind the request the dispatcher finds the end of its messages. */
    CHECK(waitpid(left, &status, 0) == left && WIFEXITED(status));
    CHECK(is_living(victim));
    (void)kill(victim, SIGKILL);
    (void)waitpid(victim, NULL, 0);
}
