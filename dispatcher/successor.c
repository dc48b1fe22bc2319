#include "dispatcher/successor.h"

#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

int32_t successor_fork(void)
{
    /* libc's fork() has no CLONE_PARENT.  With one thread and no lock held, nothing else that it
     * does is needed.  All other arguments are 0, so their order, which differs between
     * architectures, does not matter. */
    return (int32_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
}
