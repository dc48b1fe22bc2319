/*
 * stepchild - a handler that makes its parent, a dispatcher, the parent of one more process.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static int end(void *nothing)
{
    (void)nothing;
    _exit(3);
}

int main(void)
{
    static char stack[16384] __attribute__((aligned(16)));

    if (clone(end, stack + sizeof(stack), CLONE_PARENT | SIGCHLD, NULL) < 0)
        return 1;
    return puts("served") >= 0 && fflush(stdout) == 0 ? 0 : 1;
}
