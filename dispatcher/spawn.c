#include "dispatcher/spawn.h"

#include "dispatcher/failure.h"
#include "dispatcher/shared/kernel_call.h"
#include "dispatcher/setup.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

enum {
    /* For a few nested functions that only make system calls, and nothing of libc's. */
    STACK_SIZE = 4 * 1024,
    FLAGS = CLONE_VM | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD |
            (KERNEL_CALL_IS_BARE ? 0 : CLONE_VFORK)
};

static struct child {
    char stack[STACK_SIZE] __attribute__((aligned(64)));
    const struct spawn_command *command;
    char *const *environment;
    int client;
    struct failure failure;
    struct ledger_slot *slot;
    int32_t here;  /* 1 until the kernel clears it, as the child leaves this memory (clone(2),
                    * CLONE_CHILD_CLEARTID) */
    int32_t error; /* not read from the slot, which the supervisor can change */
} children[PROTOCOL_SLOTS];

KERNEL_CALL_ONLY static long unblock_signals(void)
{
    static const uint64_t none;

    return kernel_call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, sizeof(none));
}

/* These return a negative errno of the step that failed, or not at all. */

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
    long result;

    /* Only a filter of somebody's can make setsid() fail, as a new process leads no group; but a
     * handler that led none either could not be ended with all that it leaves behind. */
    if ((result = kernel_call(SYS_setsid, 0, 0, 0, 0)) < 0 ||
        (result = setup_descriptors(child->command->setup, child->client)) < 0)
        return result;
    child->client = STDIN_FILENO;
    if ((result = unblock_signals()) < 0)
        return result;
    result = execute(child);
    /* A path that root may take only with its capabilities, for instance.  What root executes has
     * them in any case (capabilities(7)); but if it may not be read without, it is not dumpable. */
    if ((result == -EACCES || result == -EPERM) && setup_wake() > 0)
        result = execute(child);
    return result;
}

/* The kernel ignores it if it cannot write the process id.  The parent must not make up for that:
 * by the time it runs again, the slot may be another's. */
KERNEL_CALL_ONLY static void enter_ledger(struct ledger_slot *slot)
{
    if (__atomic_load_n(&slot->process, __ATOMIC_SEQ_CST) == 0)
        __atomic_store_n(&slot->process, (int32_t)kernel_call(SYS_getpid, 0, 0, 0, 0),
                         __ATOMIC_SEQ_CST);
}

/* Runs beside the parent, in its memory, and must change nothing there but what is its own here: no
 * errno, and nothing of libc's. */
KERNEL_CALL_ONLY static int run(void *context)
{
    struct child *child = context;
    int32_t error;
    int status;

    enter_ledger(child->slot);
    error = (int32_t)-become_handler(child);
    /* Before the supervisor knows, and gives the place to another. */
    __atomic_store_n(&child->error, error, __ATOMIC_SEQ_CST);
    status = failure_send(&child->failure, error, child->client) ? SPAWN_FAILED : SPAWN_UNHEARD;
    (void)kernel_call(SYS_exit_group, status, 0, 0, 0);
    return status;
}

int32_t spawn_begin(const struct spawn_command *command, unsigned place, char *const *environment,
                    int client, const struct message_header *request, struct ledger_slot *slot)
{
    struct child *child = &children[place];
    int32_t process;

    child->command = command;
    child->environment = environment;
    child->client = client;
    failure_prepare(&child->failure, request);
    child->slot = slot;
    child->error = 0;
    /* Besides clearing it, this makes sure that its page is present and writable at the clone. */
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

void spawn_forget(unsigned place)
{
    __atomic_store_n(&children[place].here, 0, __ATOMIC_SEQ_CST);
}
