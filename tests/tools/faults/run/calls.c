#include "tests/tools/faults/run/calls.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- what it is asked for ---- */

static bool is_about_flags(pid_t process, const uint64_t *arguments)
{
    (void)process;
    return arguments[1] == F_GETFD || arguments[1] == F_SETFD || arguments[1] == F_GETFL ||
           arguments[1] == F_GET_SEALS;
}

static bool is_copy(pid_t process, const uint64_t *arguments)
{
    (void)process;
    return arguments[1] == F_DUPFD || arguments[1] == F_DUPFD_CLOEXEC;
}

static bool is_about_signals(pid_t process, const uint64_t *arguments)
{
    char path[64];
    char target[64] = "";

    (void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", process, (int)arguments[0]);
    return readlink(path, target, sizeof(target) - 1) > 0 &&
           strcmp(target, "anon_inode:[signalfd]") == 0;
}

static bool is_removal(pid_t process, const uint64_t *arguments)
{
    (void)process;
    return arguments[1] == EPOLL_CTL_DEL;
}

static bool is_wake(pid_t process, const uint64_t *arguments)
{
    (void)process;
    return (arguments[1] & (uint64_t)FUTEX_CMD_MASK) == FUTEX_WAKE;
}

/* One's own. */
static bool is_question(pid_t process, const uint64_t *arguments)
{
    (void)process;
    return arguments[2] == 0;
}

/* ---- the table ---- */

#define CALL(call, list) .name = #call, .number = SYS_##call, .errors = list
#define CALL_IF(call, what, condition, list)                                                       \
    .name = #call "/" what, .number = SYS_##call, .is_it = (condition), .errors = list
/* What it releases, it has released. */
#define CARRIED_OUT(call, list) CALL(call, list), .carried_out = true

static const struct call calls[] = {
    /* descriptors */
    {CARRIED_OUT(close, "EINTR EIO ENOSPC")},
    {CALL(close_range, "ENOSYS ENOMEM EMFILE")},
    {CALL(dup2, "EMFILE EINTR EBUSY")},
    {CALL(dup3, "EMFILE EINTR EBUSY")},
    {CALL_IF(fcntl, "flags", is_about_flags, "")},
    {CALL_IF(fcntl, "copy", is_copy, "EMFILE EPERM")},
    {CALL(fcntl, "EINTR ENOMEM EPERM")},
    {CALL(poll, "EINTR ENOMEM")},
    {CALL(epoll_create1, "EMFILE ENFILE ENOMEM")},
    {CALL_IF(epoll_ctl, "removal", is_removal, "")},
    {CALL(epoll_ctl, "ENOMEM ENOSPC")},
    {CALL(epoll_wait, "EINTR")},
    {CALL(eventfd2, "EMFILE ENFILE ENOMEM")},
    {CALL(signalfd4, "EMFILE ENFILE ENOMEM")},
    {CALL(timerfd_create, "EMFILE ENFILE ENOMEM")},
    {CALL(memfd_create, "EMFILE ENFILE ENOMEM EPERM")},
    {CALL(pipe2, "EMFILE ENFILE")},

    /* files */
    {CALL(open, "EMFILE ENFILE ENOMEM EACCES ENOENT EINTR")},
    {CALL(openat, "EMFILE ENFILE ENOMEM EACCES ENOENT EINTR")},
    {CALL_IF(read, "signals", is_about_signals, "EAGAIN EINTR")},
    {CALL(read, "EAGAIN EINTR EIO")},
    {CALL(pread64, "EINTR EIO EAGAIN")},
    {CALL(write, "EAGAIN EINTR EIO ENOSPC")},
    {CALL(writev, "EAGAIN EINTR EIO ENOSPC")},
    {CALL(pwritev2, "EAGAIN EOPNOTSUPP EIO ENOSPC")},
    {CALL(sendfile, "EAGAIN EINVAL EIO ENOMEM")},
    {CALL(lseek, "ESPIPE")},
    {CALL(ftruncate, "ENOSPC EIO EINTR EPERM")},
    {CALL(fadvise64, "EINVAL")},
    {CALL(getdents64, "ENOENT EIO")},
    {CALL(fstat, "EIO ENOMEM")},
    {CALL(newfstatat, "EIO ENOMEM EACCES")},
    {CALL(statx, "EIO ENOMEM EACCES")},
    {CALL(access, "EACCES EIO")},
    {CALL(faccessat, "EACCES EIO")},
    {CALL(faccessat2, "EACCES EIO ENOSYS")},
    {CALL(readlink, "EACCES EIO ENOMEM")},
    {CALL(readlinkat, "EACCES EIO ENOMEM")},
    {CALL(unlink, "EACCES EBUSY EROFS EIO")},
    {CALL(unlinkat, "EACCES EBUSY EROFS EIO")},
    {CALL(rename, "EACCES ENOSPC EROFS EIO")},
    {CALL(renameat, "EACCES ENOSPC EROFS EIO")},
    {CALL(renameat2, "EACCES ENOSPC EROFS EIO")},
    {CALL(mkdir, "EACCES ENOSPC EROFS EEXIST")},
    {CALL(mkdirat, "EACCES ENOSPC EROFS EEXIST")},
    {CALL(rmdir, "EACCES EBUSY EROFS")},
    {CALL(chmod, "EPERM EROFS EIO")},
    {CALL(fchmod, "EPERM EROFS EIO")},
    {CALL(fchown, "EPERM EROFS EIO")},
    {CALL(fchownat, "EPERM EROFS EIO")},
    {CALL(flock, "EINTR ENOLCK EWOULDBLOCK")},
    {CALL(ioctl, "ENOTTY EIO")},
    {CALL(chdir, "EACCES EIO ENOMEM")},
    {CALL(fchdir, "EACCES EIO")},
    {CALL(chroot, "EPERM EACCES")},
    {CALL(umask, "")},

    /* sockets */
    {CALL(socket, "EMFILE ENFILE ENOBUFS EACCES EAFNOSUPPORT")},
    {CALL(socketpair, "EMFILE ENFILE ENOMEM")},
    {CALL(bind, "EADDRINUSE EACCES ENOMEM")},
    {CALL(listen, "EADDRINUSE EPERM")},
    {CALL(accept4, "EMFILE ENFILE ENOMEM ENOBUFS ECONNABORTED EINTR EAGAIN EPERM")},
    {CALL(connect, "EAGAIN ECONNREFUSED EINTR EACCES")},
    {CALL(getsockname, "ENOBUFS")},
    {CALL(getpeername, "ENOTCONN ENOBUFS")},
    {CALL(getsockopt, "ENOMEM ENOPROTOOPT EPERM")},
    {CALL(setsockopt, "ENOMEM ENOPROTOOPT EPERM")},
    {CALL(shutdown, "ENOTCONN")},
    {CALL(sendto, "EAGAIN EINTR ENOBUFS ENOMEM EPIPE")},
    {CALL(recvfrom, "EAGAIN EINTR ENOMEM")},
    {CALL(sendmsg, "EAGAIN EINTR ENOBUFS ENOMEM ETOOMANYREFS EPIPE")},
    {CALL(recvmsg, "EAGAIN EINTR ENOBUFS ENOMEM")},

    /* processes */
    {CALL(clone, "EAGAIN ENOMEM EPERM")},
    {CALL(clone3, "EAGAIN ENOMEM EPERM")},
    {CALL(fork, "EAGAIN ENOMEM")},
    {CALL(vfork, "EAGAIN ENOMEM")},
    {CALL(execve, "EACCES ENOENT ENOMEM EAGAIN ETXTBSY EMFILE")},
    {CALL(execveat, "EACCES ENOENT ENOMEM EAGAIN ETXTBSY")},
    {CALL(wait4, "EINTR")},
    {CALL(waitid, "EINTR")},
    {CALL(kill, "EPERM ESRCH")},
    {CALL(tgkill, "EPERM EAGAIN")},
    {CALL(setpgid, "EPERM")},
    {CALL(setsid, "EPERM")},
    {CALL(setpriority, "EPERM EACCES")},
    {CALL(getpriority, "EPERM")},
    {CALL(sched_getaffinity, "EPERM")},
    {CALL_IF(prlimit64, "question", is_question, "")},
    {CALL(prlimit64, "EPERM")},
    {CALL(setrlimit, "EPERM")},
    {CALL(getsid, "EPERM")},
    {CALL(ptrace, "EPERM EIO")},
    {CALL_IF(futex, "wake", is_wake, "")},
    {CALL(futex, "EINTR EAGAIN ETIMEDOUT")},
    {CALL(nanosleep, "EINTR")},
    {CALL(clock_nanosleep, "EINTR")},
    {CALL(clock_gettime, "")}, /* where the vDSO does not tell */
    {CALL(rt_sigaction, "")},
    {CALL(rt_sigprocmask, "")},
    {CALL(rt_sigpending, "")},
    {CALL(rt_sigreturn, "")},
    {CALL(exit, "")},
    {CALL(exit_group, "")},
    {CALL(getpid, "")},
    {CALL(gettid, "")},
    {CALL(getppid, "")},
    {CALL(getuid, "")},
    {CALL(geteuid, "")},
    {CALL(getgid, "")},
    {CALL(getegid, "")},
    {CALL(getresuid, "")},
    {CALL(getresgid, "")},
    {CALL(sched_yield, "")},
    {CALL(restart_syscall, "")},
    {CALL(uname, "")},
    {CALL(sysinfo, "")},

    /* privileges */
    {CALL(prctl, "EPERM EINVAL")},
    {CALL(capget, "EPERM")},
    {CALL(capset, "EPERM")},
    {CALL(seccomp, "EACCES ENOMEM")},
    {CALL(setgroups, "EPERM ENOMEM")},
    {CALL(getgroups, "EPERM")},
    {CALL(setresuid, "EPERM EAGAIN")},
    {CALL(setresgid, "EPERM")},
    {CALL(setuid, "EPERM EAGAIN")},
    {CALL(setgid, "EPERM")},

    /* memory, and what libc does by itself */
    {CALL(mmap, "ENOMEM EAGAIN EPERM")},
    {CALL(munmap, "ENOMEM")},
    {CALL(mremap, "ENOMEM")},
    {CALL(mprotect, "ENOMEM EACCES")},
    {CALL(madvise, "ENOMEM EAGAIN")},
    {CALL(mlock, "ENOMEM EPERM EAGAIN")},
    {CALL(mincore, "EAGAIN")},
    {CALL(sigaltstack, "ENOMEM")},
    {CALL(brk, "ENOMEM")},
    {CALL(getrandom, "EINTR ENOSYS")},
    {CALL(arch_prctl, "")},
    {CALL(set_tid_address, "")},
    {CALL(set_robust_list, "")},
    {CALL(rseq, "ENOSYS")},
};

enum { ROWS = sizeof(calls) / sizeof(*calls) };

static_assert((int)ROWS <= (int)CALLS_ROWS, "each row has a number of its own");

#define ERROR(error) .name = #error, .number = error

static const struct {
    const char *name;
    int number;
} errors[] = {
    {ERROR(EACCES)},      {ERROR(EADDRINUSE)},   {ERROR(EAFNOSUPPORT)}, {ERROR(EAGAIN)},
    {ERROR(EBUSY)},       {ERROR(ECONNABORTED)}, {ERROR(ECONNREFUSED)}, {ERROR(ECONNRESET)},
    {ERROR(EEXIST)},      {ERROR(EINTR)},        {ERROR(EINVAL)},       {ERROR(EIO)},
    {ERROR(EMFILE)},      {ERROR(ENFILE)},       {ERROR(ENOBUFS)},      {ERROR(ENOENT)},
    {ERROR(ENOLCK)},      {ERROR(ENOMEM)},       {ERROR(ENOPROTOOPT)},  {ERROR(ENOSPC)},
    {ERROR(ENOSYS)},      {ERROR(ENOTCONN)},     {ERROR(ENOTTY)},       {ERROR(EOPNOTSUPP)},
    {ERROR(EPERM)},       {ERROR(EPIPE)},        {ERROR(EROFS)},        {ERROR(ESPIPE)},
    {ERROR(ESRCH)},       {ERROR(ETIMEDOUT)},    {ERROR(ETOOMANYREFS)}, {ERROR(ETXTBSY)},
    {ERROR(EWOULDBLOCK)},
};

unsigned calls_kind(pid_t process, long number, const uint64_t *arguments)
{
    for (unsigned i = 0; i < ROWS; i++)
        if (calls[i].number == number &&
            (calls[i].is_it == NULL || calls[i].is_it(process, arguments)))
            return i;
    return CALLS_ROWS + (unsigned)number;
}

const struct call *calls_by_kind(unsigned kind)
{
    return kind < ROWS ? &calls[kind] : NULL;
}

const struct call *calls_by_name(const char *name)
{
    for (unsigned i = 0; i < ROWS; i++)
        if (strcmp(calls[i].name, name) == 0)
            return &calls[i];
    return NULL;
}

int calls_error(const char *name)
{
    for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
        if (strcmp(errors[i].name, name) == 0)
            return errors[i].number;
    return strcmp(name, "KILL") == 0         ? CALLS_KILL
           : strcmp(name, "KILL_AFTER") == 0 ? CALLS_KILL_AFTER
                                             : 0;
}

void calls_print(void)
{
    for (unsigned i = 0; i < ROWS; i++)
        (void)printf("%s %s\n", calls[i].name, calls[i].errors);
}
