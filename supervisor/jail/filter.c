#include "supervisor/jail/filter.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__) && !defined(__ILP32__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#define ARCHITECTURE 0
#endif

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LOW_HALF 0
#else
#define LOW_HALF 4
#endif

/* Which calls, and why.  Whatever is not here, or below, the process cannot do: execute, fork,
 * open, make a socket of any network or connect one, bind, trace, signal others, change users,
 * mount. */
static const int calls[] = {
/* the loop */
#ifdef SYS_epoll_wait
    SYS_epoll_wait, /* waiting for events */
#endif
    SYS_epoll_pwait,     /* the same, as some libcs and processors have it */
    SYS_epoll_ctl,       /* who is watched */
    SYS_clock_gettime,   /* what time it is, where the vDSO does not tell */
    SYS_getcpu,          /* where it runs, likewise */
    SYS_restart_syscall, /* by the kernel, for a wait that was stopped and continued */

    /* clients: those of the listeners that are open */
    SYS_accept4,     /* whoever has come */
    SYS_getsockname, /* the address that a client has connected to */
    SYS_getpeername, /* whether one that a dispatcher gives back is its client's */
    SYS_getsockopt,  /* how long the backlog is in draining; whether closing would wait; who is at
                      * the other end of a Unix socket */
    SYS_shutdown,    /* the end of a busy message; a dispatcher's leash; a Unix socket's backlog */
    SYS_close,       /* a client that a dispatcher has, and all else */
#ifdef SYS_poll
    SYS_poll, /* whether a client is gone, anybody in the backlog, a message the last */
#endif
    SYS_ppoll, /* the same, as some libcs and processors have it */

    /* dispatchers */
    SYS_recvmsg,      /* their answers, and what a dead one had not read */
    SYS_recvfrom,     /* what refused clients send, and operators; the janitor's answer */
    SYS_wait4,        /* children that have ended */
    SYS_waitid,       /* whether a process is a child, or any is left of a group */
    SYS_memfd_create, /* a ledger for a new one */
    SYS_ftruncate,    /* its length */
    SYS_munmap,       /* the ledger of a dead one; memory */

    /* signals, gauges, files that dispatchers have read, and the log */
    SYS_read,    /* signals; a file in memory */
    SYS_pread64, /* a load average, a pressure */
#ifdef SYS_fstat
    SYS_fstat, /* whether it is a file */
#endif
#ifdef SYS_newfstatat
    SYS_newfstatat, /* which is how some libcs do that; it opens nothing */
#endif
    SYS_write,    /* a line of the log */
    SYS_pwritev2, /* the same without waiting */

    /* memory, as libc asks for it */
    SYS_brk,       /* more of it */
    SYS_mremap,    /* a longer piece */
    SYS_madvise,   /* less of it */
    SYS_futex,     /* its locks */
    SYS_getrandom, /* its guards */
    SYS_sysinfo,   /* how much there is, which qsort(3) may ask */

    /* the end */
    SYS_exit_group,     /* of the process */
    SYS_exit,           /* of its thread */
    SYS_rt_sigaction,   /* by a signal: its default action */
    SYS_rt_sigprocmask, /* unblocked */
    SYS_rt_sigpending,  /* whether to end before another process' place is taken */
    SYS_rt_sigreturn,   /* back from the handler below */
    SYS_getpid,         /* sent to itself */
    SYS_gettid,         /* likewise */
};

/* What an argument must be: one of the values, or, without any, something with none of the bits in
 * the mask; nor with any of the upper 32, if those are all of the lower. */
struct condition {
    unsigned argument;
    uint32_t mask;
    unsigned count;
    uint32_t values[8];
};

enum { CONDITIONS = 2 };

static const struct checked_call {
    int call;
    unsigned count;
    struct condition conditions[CONDITIONS];
} checked_calls[] = {
    /* the leash; descriptors in reserve; seals; nothing by which it could have others signalled */
    {.call = SYS_fcntl,
     .count = 1,
     .conditions = {{.argument = 1,
                     .count = 8,
                     .values = {F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_SETSIG,
                                F_GET_SEALS, F_ADD_SEALS}}}},
    /* the busy message, and the log, to who is connected already: without an address */
    {.call = SYS_sendto, .count = 1, .conditions = {{.argument = 4, .mask = UINT32_MAX}}},
    /* to dispatchers; with other flags it could connect */
    {.call = SYS_sendmsg,
     .count = 1,
     .conditions = {{.argument = 2, .count = 1, .values = {MSG_DONTWAIT | MSG_NOSIGNAL}}}},
    /* to a new dispatcher; with other types it could send to any address */
    {.call = SYS_socketpair,
     .count = 2,
     .conditions = {{.argument = 0, .count = 1, .values = {AF_UNIX}},
                    {.argument = 1, .count = 1, .values = {SOCK_SEQPACKET | SOCK_CLOEXEC}}}},
    /* so that closing does not wait, whatever a handler has asked for */
    {.call = SYS_setsockopt,
     .count = 2,
     .conditions = {{.argument = 1, .count = 1, .values = {SOL_SOCKET}},
                    {.argument = 2, .count = 1, .values = {SO_LINGER}}}},
    /* no more clients, in draining: a backlog of 0 */
    {.call = SYS_listen, .count = 1, .conditions = {{.argument = 1, .count = 1, .values = {0}}}},
    /* where this process runs; with another number than 0, where another one does */
    {.call = SYS_sched_getaffinity,
     .count = 1,
     .conditions = {{.argument = 0, .mask = UINT32_MAX}}},
    {.call = SYS_sched_setaffinity,
     .count = 1,
     .conditions = {{.argument = 0, .mask = UINT32_MAX}}},
/* memory and ledgers, but no code */
#ifdef SYS_mmap
    {.call = SYS_mmap, .count = 1, .conditions = {{.argument = 2, .mask = PROT_EXEC}}},
#endif
    {.call = SYS_mprotect, .count = 1, .conditions = {{.argument = 2, .mask = PROT_EXEC}}},
};

enum {
    CALLS = sizeof(calls) / sizeof(*calls),
    CHECKED = sizeof(checked_calls) / sizeof(*checked_calls),
    INSTRUCTIONS_MAXIMUM = 8 + 2 * CALLS + 24 * (CHECKED + 2)
};

struct program {
    struct sock_filter code[INSTRUCTIONS_MAXIMUM];
    unsigned short length;
};

/* `yes` and `no` are how many instructions are skipped. */
static void add(struct program *program, uint16_t code, uint32_t operand, uint8_t yes, uint8_t no)
{
    if (program->length == INSTRUCTIONS_MAXIMUM)
        log_bug("the filter has too many instructions");
    program->code[program->length++] =
        (struct sock_filter){.code = code, .jt = yes, .jf = no, .k = operand};
}

static void load(struct program *program, size_t offset)
{
    add(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void decide(struct program *program, uint32_t decision)
{
    add(program, BPF_RET | BPF_K, decision, 0, 0);
}

/* Decides if the word that was loaded is this value; else goes on. */
static void decide_if(struct program *program, uint32_t value, uint32_t decision)
{
    add(program, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
    decide(program, decision);
}

/* Goes on if it is met. */
static void add_condition(struct program *program, const struct condition *condition)
{
    const size_t argument =
        offsetof(struct seccomp_data, args) + condition->argument * sizeof(uint64_t);

    load(program, argument + LOW_HALF);
    /* Each value skips those after it, and the decision. */
    for (unsigned i = 0; i < condition->count; i++)
        add(program, BPF_JMP | BPF_JEQ | BPF_K, condition->values[i],
            (uint8_t)(condition->count - i), 0);
    if (condition->count == 0)
        add(program, BPF_JMP | BPF_JSET | BPF_K, condition->mask, 0, 1);
    decide(program, SECCOMP_RET_TRAP);
    if (condition->mask != UINT32_MAX)
        return;
    load(program, argument + 4 - LOW_HALF);
    add(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
    decide(program, SECCOMP_RET_TRAP);
}

static void add_checked(struct program *program, const struct checked_call *checked)
{
    /* If it is another call, the instructions up to the next one are skipped. */
    unsigned short jump = program->length;

    add(program, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)checked->call, 0, 0);
    for (unsigned i = 0; i < checked->count; i++)
        add_condition(program, &checked->conditions[i]);
    decide(program, SECCOMP_RET_ALLOW);
    program->code[jump].jf = (uint8_t)(program->length - jump - 1);
}

/* Signals go to this very process only, as abort(3) and raise(3) send them. */
static void add_signals_to_itself(struct program *program)
{
    struct checked_call checked = {
        .call = SYS_tgkill,
        .count = 1,
        .conditions = {{.argument = 0, .count = 1, .values = {(uint32_t)getpid()}}},
    };

    add_checked(program, &checked);
    checked.call = SYS_tkill; /* which is how some libcs do it */
    add_checked(program, &checked);
}

static void write_program(struct program *program)
{
    program->length = 0;
    load(program, offsetof(struct seccomp_data, arch));
    add(program, BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
    decide(program, SECCOMP_RET_KILL_PROCESS);
    load(program, offsetof(struct seccomp_data, nr));
    /* None at all: what a debugger makes of a call that it skips.  Calls of x32 have numbers above
     * all others, so nothing need be said of them. */
    decide_if(program, UINT32_MAX, SECCOMP_RET_ALLOW);
    for (unsigned i = 0; i < CALLS; i++)
        decide_if(program, (uint32_t)calls[i], SECCOMP_RET_ALLOW);
    for (unsigned i = 0; i < CHECKED; i++)
        add_checked(program, &checked_calls[i]);
    add_signals_to_itself(program);
    decide(program, SECCOMP_RET_TRAP);
}

/* The call has not been made.  This is no interruption: it stands where the call would. */
static void on_forbidden_call(int signal_number, siginfo_t *information, void *context)
{
    (void)signal_number;
    (void)context;
    log_error("system call %d is none of the supervisor's: somebody else acts in this process, or "
              "its libc is not the one it was made for; ending at once",
              information->si_syscall);
    _exit(EXIT_FAILURE);
}

int filter_install(void)
{
    static struct program program;
    struct sigaction action = {.sa_sigaction = on_forbidden_call, .sa_flags = SA_SIGINFO};
    struct sock_fprog form = {.filter = program.code};

    if (PRIVILEGES_SANITIZED) {
        log_debug("no filter of system calls for a build with sanitizers");
        return 0;
    }
    if (ARCHITECTURE == 0) {
        log_warning("no filter of system calls for this processor");
        return 0;
    }
    write_program(&program);
    form.len = program.length;
    if (sigaction(SIGSYS, &action, NULL) == 0 &&
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &form) == 0)
        return 0;
    if (errno == EINVAL || errno == ENOSYS) {
        log_warning("this kernel cannot filter system calls: %m");
        return 0;
    }
    log_error("cannot filter system calls: %m");
    return -1;
}
