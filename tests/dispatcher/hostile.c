/*
 * hostile MODE DISPATCHER [SEED [COUNT]] - a hostile supervisor, against the real dispatcher.
 *
 * Starts DISPATCHER as protocol.h requires, with itself as the handler's command, and records all
 * answers.  MODE is one of
 *
 *     orders   all requests that no supervisor sends, one by one
 *     noise    COUNT packets: random bytes, or valid messages with random changes; SEED, which is
 *              printed, repeats the run
 *     tickets  signals to a handler, with the tickets of other handlers
 *     forgery  the ledger names another process while a handler is being started
 *
 * At the end the dispatcher must live and serve, have no more descriptors than before, and have
 * started only the command, once for each valid START.  Run this in a process id namespace of its
 * own: a deceived dispatcher could signal any process.
 */
#include "tests/dispatcher/hostile/hostile.h"
#include "tests/shared/check.h"
#include "tests/shared/proc.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void check_end(int descriptors)
{
    unsigned before = hostile.due[MESSAGE_EXITED];
    char children[64];

    ask_start(0);
    settle();
    CHECK(hostile.due[MESSAGE_EXITED] == before + 1);
    CHECK(proc_children(hostile.dispatcher, children, sizeof(children)) == 0);
    /* A leak checker opens some while it looks. */
    for (int look = 0; proc_descriptors(hostile.dispatcher) != descriptors && look < 500; look++)
        (void)usleep(10000);
    CHECK(proc_descriptors(hostile.dispatcher) == descriptors);
    for (int i = 0; i < 2; i++)
        CHECK(is_living(hostile.bystanders[i]));
    CHECK(is_living(hostile.dispatcher));
}

static void end_all(void)
{
    int status;

    (void)close(hostile.channel);
    CHECK(waitpid(hostile.dispatcher, &status, 0) == hostile.dispatcher && status == 0);
    for (int i = 0; i < 2; i++)
        (void)kill(hostile.bystanders[i], SIGKILL);
    CHECK(waitpid(hostile.bystanders[1], NULL, 0) == hostile.bystanders[1]);
    /* No other process was ever started. */
    CHECK(wait(NULL) < 0 && errno == ECHILD);
}

int main(int argc, char **argv)
{
    int descriptors;

    if (argc == 3 && strcmp(argv[1], "handle") == 0)
        return handle(argv[2]);
    if (argc < 3)
        return 2;
    (void)setpgid(0, 0); /* a signal to our group reaches no other process */
    (void)signal(SIGPIPE, SIG_IGN);
    open_kinds();
    start_bystanders();
    start_dispatcher(argv[2]);
    await_ready();
    ask_start(0); /* opens all that the dispatcher ever keeps open */
    settle();
    descriptors = proc_descriptors(hostile.dispatcher);
    CHECK(descriptors > 0);
    if (strcmp(argv[1], "orders") == 0)
        give_orders();
    else if (strcmp(argv[1], "noise") == 0)
        make_noise(argc > 3 ? strtoull(argv[3], NULL, 10) : (uint64_t)time(NULL),
                   argc > 4 ? strtoul(argv[4], NULL, 10) : 100000);
    else if (strcmp(argv[1], "tickets") == 0)
        try_tickets();
    else if (strcmp(argv[1], "forgery") == 0)
        forge();
    else
        return 2;
    check_end(descriptors);
    end_all();
    return CHECK_RESULT();
}
