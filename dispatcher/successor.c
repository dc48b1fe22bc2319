#include "dispatcher/successor.h"

#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

int32_t successor_fork(void)
{
    /* fork(2) cannot give a child to one's parent.  There is one thread, and no lock is held, so
     * nothing that fork(3) of a libc does besides is needed.  With no stack given and nothing to
     * store, the order of the arguments, which differs between architectures, does not matter. */
    return (int32_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
}
