#include "tests/dispatcher/hostile/hostile.h"

#include "dispatcher/shared/wire.h"
#include "tests/shared/check.h"

#include <signal.h>
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
        ask_signal((int32_t)hostile.bystanders[0], SIGKILL);
        await_answers(MESSAGE_STARTED);
        await_answers(MESSAGE_SIGNALLED);
        CHECK(hostile.started.process != (int32_t)hostile.bystanders[0]);
    }
    (void)kill(forger, SIGKILL);
    (void)waitpid(forger, NULL, 0);
    settle();
}
