#include "dispatcher/spawn.h"

#include "dispatcher/setup.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

struct child {
    const struct spawn_command *command;
    char *const *environment;
    int client;
    struct ledger_slot *slot;
};

/* The child's stack, in the parent's memory.  One is enough: CLONE_VFORK holds the parent until the
 * child has left it. */
enum { STACK_SIZE = 32 * 1024 };
static char stack[STACK_SIZE] __attribute__((aligned(64)));

/* Runs in the parent's memory and must leave nothing there but the error.  A sanitizer would take
 * this stack for the parent's. */
__attribute__((no_sanitize("address", "undefined"))) static int become_handler(void *context)
{
    const struct child *child = context;
    sigset_t none;

    /* setsid() cannot fail: a new process leads no group. */
    (void)setsid();
    (void)sigemptyset(&none);
    if (dup2(child->client, STDIN_FILENO) >= 0 && dup2(child->client, STDOUT_FILENO) >= 0 &&
        setup_handler(child->command->setup) == 0 && sigprocmask(SIG_SETMASK, &none, NULL) == 0)
        (void)execve(child->command->path, child->command->arguments, child->environment);
    child->slot->error = errno;
    _exit(127);
}

int spawn_handler(const struct spawn_command *command, char *const *environment, int client,
                  struct ledger_slot *slot, int32_t *process)
{
    struct child child = {
        .command = command, .environment = environment, .client = client, .slot = slot};
    int error;

    /* The kernel ignores it if it cannot write the process id.  These writes, besides clearing the
     * slot, make sure that its page is present and writable when it does. */
    __atomic_store_n(&slot->process, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&slot->error, 0, __ATOMIC_SEQ_CST);

    *process =
        clone(become_handler, stack + STACK_SIZE,
              CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID | SIGCHLD, &child, &slot->process);
    if (*process < 0)
        return errno;
    /* Should the kernel have failed to write it after all: as long as we live, it is not too late.
     */
    __atomic_store_n(&slot->process, *process, __ATOMIC_SEQ_CST);

    error = __atomic_load_n(&slot->error, __ATOMIC_SEQ_CST);
    if (error == 0)
        return 0;
    /* It has called _exit(): this does not wait long, and cannot fail for a child of ours. */
    while (waitpid(*process, NULL, 0) < 0 && errno == EINTR)
        ;
    return error;
}
