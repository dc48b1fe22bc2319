/*
 * assault - a handler that attacks processes.
 *
 * Reads words from the client until it has sent all:
 *
 *     PID      tries all attacks on this process, and prints a line for each: "PID ATTACK:
 * refused", or "PID ATTACK: possible".  No attack does harm. all      kills all processes that it
 * may kill, except itself, and prints "killed all" stay     prints its process id, and waits
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Each attack returns true if the kernel permits it. */

static bool by_kill(pid_t process)
{
    return kill(process, 0) == 0;
}

static bool by_tgkill(pid_t process)
{
    return syscall(SYS_tgkill, process, process, 0) == 0;
}

/* The kernel looks at the process before it looks at the signal. */
static bool by_rt_sigqueueinfo(pid_t process)
{
    siginfo_t information = {.si_code = SI_QUEUE};

    return syscall(SYS_rt_sigqueueinfo, process, 0, &information) == 0;
}

static bool by_pidfd_send_signal(pid_t process)
{
    int descriptor = (int)syscall(SYS_pidfd_open, process, 0);

    return syscall(SYS_pidfd_send_signal, descriptor, 0, NULL, 0) == 0;
}

static bool by_pidfd_getfd(pid_t process)
{
    int descriptor = (int)syscall(SYS_pidfd_open, process, 0);

    return syscall(SYS_pidfd_getfd, descriptor, 2, 0) >= 0;
}

static bool by_ptrace(pid_t process)
{
    if (ptrace(PTRACE_SEIZE, process, NULL, NULL) != 0)
        return false;
    (void)ptrace(PTRACE_INTERRUPT, process, NULL, NULL);
    (void)ptrace(PTRACE_DETACH, process, NULL, NULL); /* or at our end */
    return true;
}

/* Nothing is mapped there, which the kernel only notices once it has permitted the call. */
static bool by_process_vm_readv(pid_t process)
{
    char byte;
    const struct iovec here = {.iov_base = &byte, .iov_len = 1};
    const struct iovec there = {.iov_base = NULL, .iov_len = 1};

    return process_vm_readv(process, &here, 1, &there, 1, 0) >= 0 || errno == EFAULT;
}

static bool by_process_vm_writev(pid_t process)
{
    char byte = 0;
    const struct iovec here = {.iov_base = &byte, .iov_len = 1};
    const struct iovec there = {.iov_base = NULL, .iov_len = 1};

    return process_vm_writev(process, &here, 1, &there, 1, 0) >= 0 || errno == EFAULT;
}

static bool by_prlimit_get(pid_t process)
{
    struct rlimit limit;

    return prlimit(process, RLIMIT_NOFILE, NULL, &limit) == 0;
}

/* To the value that the process may have anyway; only of use once by_prlimit_get() succeeds. */
static bool by_prlimit_set(pid_t process)
{
    struct rlimit limit;

    return prlimit(process, RLIMIT_CORE, NULL, &limit) == 0 &&
           prlimit(process, RLIMIT_CORE, &limit, NULL) == 0;
}

static bool opens(pid_t process, const char *name, int flags)
{
    char path[64];
    int descriptor;

    (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)process, name);
    descriptor = open(path, flags | O_CLOEXEC);
    if (descriptor >= 0)
        (void)close(descriptor);
    return descriptor >= 0;
}

static bool by_mem(pid_t process)
{
    return opens(process, "mem", O_RDONLY) || opens(process, "mem", O_RDWR);
}

static bool by_fd(pid_t process)
{
    return opens(process, "fd", O_RDONLY) || opens(process, "fd/2", O_PATH);
}

static bool by_environ(pid_t process)
{
    return opens(process, "environ", O_RDONLY);
}

static bool by_maps(pid_t process)
{
    return opens(process, "maps", O_RDONLY);
}

static bool by_root(pid_t process)
{
    return opens(process, "root", O_PATH) || opens(process, "cwd", O_PATH) ||
           opens(process, "exe", O_PATH);
}

static bool by_oom_score_adj(pid_t process)
{
    return opens(process, "oom_score_adj", O_WRONLY);
}

static const struct {
    const char *name;
    bool (*is_possible)(pid_t process);
} attacks[] = {
    {"kill", by_kill},
    {"tgkill", by_tgkill},
    {"rt_sigqueueinfo", by_rt_sigqueueinfo},
    {"pidfd_send_signal", by_pidfd_send_signal},
    {"pidfd_getfd", by_pidfd_getfd},
    {"ptrace", by_ptrace},
    {"process_vm_readv", by_process_vm_readv},
    {"process_vm_writev", by_process_vm_writev},
    {"prlimit-get", by_prlimit_get},
    {"prlimit-set", by_prlimit_set},
    {"mem", by_mem},
    {"fd", by_fd},
    {"environ", by_environ},
    {"maps", by_maps},
    {"root", by_root},
    {"oom_score_adj", by_oom_score_adj},
};

static void attack(pid_t process)
{
    for (size_t i = 0; i < sizeof(attacks) / sizeof(*attacks); i++)
        (void)printf("%d %s: %s\n", (int)process, attacks[i].name,
                     attacks[i].is_possible(process) ? "possible" : "refused");
}

int main(void)
{
    char word[32];

    while (scanf("%31s", word) == 1) {
        if (strcmp(word, "stay") == 0) {
            (void)printf("%d\n", (int)getpid());
            (void)fflush(stdout);
            (void)pause();
        } else if (strcmp(word, "all") == 0) {
            (void)kill(-1, SIGKILL); /* fails if there is no such process */
            (void)puts("killed all");
        } else {
            attack((pid_t)strtol(word, NULL, 10));
        }
    }
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
