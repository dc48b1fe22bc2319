/*
 * How a client gets to a worker: the message is whole; the ledger names the worker from the moment
 * at which the message is there, and not before; nothing is entered if nothing was sent; and what
 * an earlier hand-over has left says nothing about the next START.
 */
#include "dispatcher/ledger.h"

#include "tests/shared/check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESS = 4711, SLOT = 5, STOPS = 20 };

static struct ledger *ledger; /* as the supervisor maps it */
static char block[] = "NAME=value\0OTHER=word";

/* The file of the ledger, at the dispatcher's number. */
static void open_ledger(void)
{
    int file = memfd_create("ledger", MFD_CLOEXEC);

    CHECK(ftruncate(file, sizeof(*ledger)) == 0);
    ledger = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(ledger != MAP_FAILED && dup2(file, PROTOCOL_LEDGER) == PROTOCOL_LEDGER);
}

static bool arrives(int worker)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    char bytes[sizeof(block) + 1];
    struct iovec content = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct msghdr message = {.msg_iov = &content,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t length = recvmsg(worker, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    int client;

    if (length < 0)
        return false;
    CHECK(length == sizeof(block) && memcmp(bytes, block, sizeof(block)) == 0);
    CHECK(message.msg_controllen >= CMSG_LEN(sizeof(int)) && message.msg_flags != MSG_CTRUNC);
    memcpy(&client, CMSG_DATA(&control.header), sizeof(client));
    CHECK(write(client, "x", 1) == 1);
    (void)close(client);
    return true;
}

static void whole(struct ledger *ours, const int pair[2], const int client[2])
{
    char byte;

    CHECK(ledger_hand_over(ours, SLOT, PROCESS, pair[0], block, sizeof(block), client[0]) == 0);
    CHECK(ledger->slots[SLOT].process == PROCESS && ledger->sent == 0);
    CHECK(ledger_process(ledger, SLOT) == PROCESS && ledger_process(ledger, SLOT + 1) == 0);
    CHECK(arrives(pair[1]) && read(client[1], &byte, 1) == 1 && !arrives(pair[1]));
    ledger->slots[SLOT].process = 0; /* as before the next START */
    CHECK(ledger_process(ledger, SLOT) == 0);
}

static void nothing_sent(struct ledger *ours, const int client[2])
{
    int pair[2];

    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    CHECK(ledger_hand_over(ours, SLOT, PROCESS, pair[0], block, sizeof(block), -1) == -1);
    CHECK(errno == EBADF && ledger_process(ledger, SLOT) == 0 && ledger->sent == 0);
    (void)close(pair[1]);
    CHECK(ledger_hand_over(ours, SLOT, PROCESS, pair[0], block, sizeof(block), client[0]) == -1);
    CHECK(errno == EPIPE && ledger_process(ledger, SLOT) == 0 && ledger->sent == 0);
    (void)close(pair[0]);
}

/* Stops a child before and after each of its system calls.  Returns false if it may not be traced.
 */
static void watch(struct ledger *ours, const int pair[2], const int client[2])
{
    pid_t child = fork();
    bool was_there = false;
    int status;

    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(1);
        (void)kill(getpid(), SIGSTOP);
        _exit(ledger_hand_over(ours, SLOT, PROCESS, pair[0], block, sizeof(block), client[0]) != 0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    if (!WIFSTOPPED(status))
        return;
    for (int stop = 0; stop < STOPS && WIFSTOPPED(status); stop++) {
        bool is_there = was_there || arrives(pair[1]);

        CHECK((ledger_process(ledger, SLOT) == PROCESS) == is_there);
        /* At the end of the call, only the kernel has written. */
        CHECK(is_there == was_there || ledger->slots[SLOT].process == 0);
        was_there = is_there;
        (void)ptrace(PTRACE_SYSCALL, child, NULL, NULL);
        CHECK(waitpid(child, &status, 0) == child);
    }
    CHECK(was_there && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ledger->slots[SLOT].process = 0;
}

int main(void)
{
    struct ledger *ours;
    int pair[2];
    int client[2];

    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, client) == 0);
    for (int i = 0; i < 2; i++) { /* away from the number of the ledger */
        pair[i] = fcntl(pair[i], F_DUPFD_CLOEXEC, 10);
        client[i] = fcntl(client[i], F_DUPFD_CLOEXEC, 10);
    }
    open_ledger();
    ours = ledger_map(true);
    whole(ours, pair, client);
    nothing_sent(ours, client);
    watch(ours, pair, client);
    whole(ours, pair, client);
    return CHECK_RESULT();
}
