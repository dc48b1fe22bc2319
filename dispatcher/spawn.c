#include "dispatcher/spawn.h"

#include "dispatcher/clock.h"
#include "dispatcher/setup.h"
#include "dispatcher/shared/kernel_call.h"
#include "dispatcher/shared/privileges.h"
#include "dispatcher/shared/wire.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    /* For a few nested functions that only make system calls. */
    STACK_SIZE = 4 * 1024,
    APART_LOOK = 50000,     /* nanoseconds between two looks */
    APART_WITHIN = 1000000, /* microseconds */
    FLAGS = CLONE_VM | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD |
            (KERNEL_CALL_IS_BARE ? 0 : CLONE_VFORK)
};

/* FAILED, prepared by the parent: the child may use nothing of libc and only fills in the error and
 * the descriptor. */
struct failure {
    struct message_failed message;
    struct iovec content;
    char control[CMSG_SPACE(sizeof(int))]
        __attribute__((aligned(sizeof(size_t)))); /* one cmsghdr */
    struct msghdr envelope;
};

static struct child {
    char stack[STACK_SIZE] __attribute__((aligned(64)));
    const struct spawn_command *command;
    char *const *environment;
    int client;
    bool speaks; /* sends FAILED */
    struct failure failure;
    struct ledger_slot *slot;
    int32_t here;  /* 1 while the child uses this memory; the kernel clears it (clone(2),
                    * CLONE_CHILD_CLEARTID) */
    int32_t apart; /* 1: it has closed its copies of the dispatcher's descriptors */
    int32_t error; /* not in the slot, because the supervisor can change that */
} children[PROTOCOL_SLOTS];

/* ---- in the child: system calls, and no memory except its own `struct child` ---- */

/* The following functions return a negative errno of the step that failed. */

KERNEL_CALL_ONLY static long execute(const struct child *child)
{
    const struct spawn_command *command = child->command;
    long result = setup_limits(command->setup);

    return result < 0 ? result
                      : kernel_call(SYS_execve, (long)command->path, (long)command->arguments,
                                    (long)child->environment, 0);
}

KERNEL_CALL_ONLY static long become_handler(struct child *child)
{
    static const uint64_t no_signals;
    long result;

    /* Only a filter of system calls can make setsid() fail here.  Without a group of its own, a
     * handler could not be killed together with its children. */
    if ((result = kernel_call(SYS_setsid, 0, 0, 0, 0)) < 0 ||
        (result = setup_descriptors(child->command->setup, child->client)) < 0)
        return result;
    child->client = STDIN_FILENO;
    __atomic_store_n(&child->apart, 1, __ATOMIC_SEQ_CST);
    /* Late: from here on, other handlers may signal this child, and so delay or end its start. */
    if ((result = setup_user(child->command->setup)) < 0 ||
        (result = kernel_call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&no_signals, 0,
                              sizeof(no_signals))) < 0)
        return result;
    result = execute(child);
    /* Root may need its capabilities to reach the path.  Not before, because a file that cannot be
     * read without them makes the handler undumpable (capabilities(7)). */
    if ((result == -EACCES || result == -EPERM) && privileges_wake() > 0)
        result = execute(child);
    return result;
}

/* The kernel ignores a failure to write the process id.  The parent must not write it instead: by
 * the time it runs again, the slot may belong to another START. */
KERNEL_CALL_ONLY static void enter_ledger(struct ledger_slot *slot)
{
    if (__atomic_load_n(&slot->process, __ATOMIC_SEQ_CST) == 0)
        __atomic_store_n(&slot->process, (int32_t)kernel_call(SYS_getpid, 0, 0, 0, 0),
                         __ATOMIC_SEQ_CST);
}

KERNEL_CALL_ONLY static bool may_pass(long error)
{
    return error == -ENOMEM || error == -ENOBUFS || error == -EAGAIN || error == -ETOOMANYREFS;
}

/* Sends FAILED; waits while the supervisor is behind or the kernel lacks memory.  Returns true if
 * it was sent or the supervisor is gone. */
KERNEL_CALL_ONLY static bool send_failure(struct failure *failure, int error, int client)
{
    static const long pause[2] = {0, 10000000}; /* seconds and nanoseconds of type long */
    int *descriptor = (void *)(failure->control + CMSG_LEN(0));
    long result;

    failure->message.error = error;
    *descriptor = client;
    do {
        result =
            kernel_call(SYS_sendmsg, PROTOCOL_SOCKET, (long)&failure->envelope, MSG_NOSIGNAL, 0);
        if (may_pass(result))
            (void)kernel_call(SYS_ppoll, 0, 0, (long)&pause, 0); /* a signal may cut it short */
    } while (may_pass(result) || result == -EINTR || result == -ECONNRESET); /* then EPIPE */
    return result >= 0 || result == -EPIPE;
}

KERNEL_CALL_ONLY static int run(void *context)
{
    struct child *child = context;
    int32_t error;
    int status;

    enter_ledger(child->slot);
    error = (int32_t)-become_handler(child);
    /* Before FAILED: the supervisor may reuse the place as soon as it has read that. */
    __atomic_store_n(&child->error, error, __ATOMIC_SEQ_CST);
    status = child->speaks && send_failure(&child->failure, error, child->client) ? SPAWN_FAILED
                                                                                  : SPAWN_UNHEARD;
    (void)kernel_call(SYS_exit_group, status, 0, 0, 0);
    return status;
}

/* ---- in the dispatcher ---- */

static void prepare_failure(struct failure *failure, const struct message_header *request)
{
    struct cmsghdr *header = (void *)failure->control;
    union message message;

    wire_header(&message, MESSAGE_FAILED, request->client, request->ticket);
    *failure = (struct failure){
        .message = message.failed,
        .content = {.iov_base = &failure->message, .iov_len = sizeof(failure->message)},
        .envelope = {.msg_iov = &failure->content,
                     .msg_iovlen = 1,
                     .msg_control = failure->control,
                     .msg_controllen = (socklen_t)CMSG_LEN(sizeof(int))},
    };
    *header = (struct cmsghdr){
        .cmsg_len = (socklen_t)CMSG_LEN(sizeof(int)),
        .cmsg_level = SOL_SOCKET,
        .cmsg_type = SCM_RIGHTS,
    };
}

int32_t spawn_begin(const struct spawn_command *command, unsigned place, char *const *environment,
                    int client, const struct message_header *request, struct ledger_slot *slot)
{
    struct child *child = &children[place];
    int32_t process;

    child->command = command;
    child->environment = environment;
    child->client = client;
    child->speaks = request != NULL;
    if (request != NULL)
        prepare_failure(&child->failure, request);
    child->slot = slot;
    child->error = 0;
    child->apart = 0;
    /* Also makes the slot's page present and writable at the clone. */
    __atomic_store_n(&slot->process, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&child->here, 1, __ATOMIC_SEQ_CST);

    process =
        clone(run, child->stack + STACK_SIZE, FLAGS, child, &slot->process, NULL, &child->here);
    if (process < 0)
        spawn_forget(place);
    return process;
}

bool spawn_is_over(unsigned place)
{
    return __atomic_load_n(&children[place].here, __ATOMIC_SEQ_CST) == 0;
}

int spawn_error(unsigned place)
{
    return __atomic_load_n(&children[place].error, __ATOMIC_SEQ_CST);
}

static bool is_apart(unsigned place)
{
    return spawn_is_over(place) || __atomic_load_n(&children[place].apart, __ATOMIC_SEQ_CST) != 0;
}

void spawn_await_apart(void)
{
    const struct timespec moment = {.tv_nsec = APART_LOOK};
    const uint64_t deadline = clock_microseconds() + APART_WITHIN;

    for (unsigned place = 0; place < PROTOCOL_SLOTS; place++)
        while (!is_apart(place) && clock_microseconds() < deadline)
            (void)nanosleep(&moment, NULL); /* a signal may cut it short */
}

void spawn_forget(unsigned place)
{
    __atomic_store_n(&children[place].here, 0, __ATOMIC_SEQ_CST);
}
