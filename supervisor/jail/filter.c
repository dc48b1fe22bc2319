#include "supervisor/jail/filter.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/privileges.h"
#include "supervisor/base/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
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

/* The permitted calls, and why.  Calls that are in neither list are forbidden: execute, fork, open,
 * make or connect network sockets, bind, trace, signal others, change users, mount. */
static const int calls[] = {
/* the loop */
#ifdef SYS_epoll_wait
    SYS_epoll_wait, /* waiting for events */
#endif
    SYS_epoll_pwait,     /* the same in some libcs and on some processors */
    SYS_epoll_ctl,       /* watching descriptors */
    SYS_epoll_create1,   /* beginning in the place of another supervisor */
    SYS_signalfd4,       /* the same */
    SYS_clock_gettime,   /* the time, without a vDSO */
    SYS_setitimer,       /* interrupting what waits for a file that a client has sent along */
    SYS_restart_syscall, /* the kernel continues a wait after SIGCONT */

    /* clients of the open listeners */
    SYS_accept4,     /* a new client */
    SYS_getsockname, /* the address that a client has connected to */
    SYS_getpeername, /* checking a connection that a dispatcher gives back */
    SYS_getsockopt,  /* the length of a backlog; SO_LINGER; peer and number of a Unix socket */
    SYS_shutdown, /* the end of a busy message; what a dispatcher is sent; a Unix socket's backlog
                   */
    SYS_close,    /* clients that were passed on, and everything else */
#ifdef SYS_poll
    SYS_poll, /* a client's hang-up, a client in the backlog, the end of messages */
#endif
    SYS_ppoll, /* the same in some libcs and on some processors */

    /* dispatchers */
    SYS_recvmsg,  /* answers; messages that a dead dispatcher had not read; the keeper's reports */
    SYS_recvfrom, /* data of refused clients and operators; a dead dispatcher's packet */
    SYS_munmap,   /* the ledger of a dead dispatcher; memory */

    /* signals, gauges, files that the keeper had read, and the log */
    SYS_read,    /* signals; a file in memory */
    SYS_pread64, /* a load average, a pressure */
#ifdef SYS_fstat
    SYS_fstat, /* the type of a file */
#endif
#ifdef SYS_newfstatat
    SYS_newfstatat, /* the same in some libcs; opens nothing */
#endif
    SYS_write,    /* a line of the log */
    SYS_pwritev2, /* the same without waiting */

    /* libc's memory */
    SYS_brk,       /* more memory */
    SYS_mremap,    /* a larger block */
    SYS_madvise,   /* giving memory back */
    SYS_futex,     /* locks */
    SYS_getrandom, /* guards against corruption */
    SYS_sysinfo,   /* the size of memory, for qsort(3) */

    /* exit, also by a signal */
    SYS_exit_group,     /* the process */
    SYS_exit,           /* its thread */
    SYS_rt_sigaction,   /* the signal's default action */
    SYS_rt_sigprocmask, /* unblocking the signal */
    SYS_rt_sigpending,  /* exiting instead of taking over from another process */
    SYS_rt_sigreturn,   /* returning from the handler below */
    SYS_getpid,         /* the target of the signal */
    SYS_gettid,         /* the same in other libcs */
};

/* A call that is permitted on a condition for an argument: it is one of the values; or, without
 * values, it has no bit of the mask.  A mask of all 32 lower bits also covers the upper 32.  A call
 * with two conditions has two entries, one after the other. */
struct condition {
    int call;
    unsigned argument;
    uint32_t mask;
    unsigned count;
    uint32_t values[8];
};

static const struct condition conditions[] = {
    /* reserved descriptors; seals; not F_SETOWN, which would signal other processes */
    {.call = SYS_fcntl,
     .argument = 1,
     .count = 6,
     .values = {F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GET_SEALS}},
    /* the busy message and the log; without an address, so only to a connected peer */
    {.call = SYS_sendto, .argument = 4, .mask = UINT32_MAX},
    /* to dispatchers and the keeper; other flags could connect */
    {.call = SYS_sendmsg, .argument = 2, .count = 1, .values = {MSG_DONTWAIT | MSG_NOSIGNAL}},
    /* to a daemon that takes over; other types could send to any address */
    {.call = SYS_socketpair, .argument = 0, .count = 1, .values = {AF_UNIX}},
    {.call = SYS_socketpair, .argument = 1, .count = 1, .values = {SOCK_SEQPACKET | SOCK_CLOEXEC}},
    /* closing without waiting, in spite of a handler's SO_LINGER; emptying a dispatcher's socket;
     * room for an answer to an operator */
    {.call = SYS_setsockopt, .argument = 1, .count = 1, .values = {SOL_SOCKET}},
    {.call = SYS_setsockopt,
     .argument = 2,
     .count = 3,
     .values = {SO_LINGER, SO_PASSCRED, SO_SNDBUF}},
    /* draining: a backlog of 0 keeps new clients out */
    {.call = SYS_listen, .argument = 1, .count = 1, .values = {0}},
    /* standard error that the keeper has opened again */
    {.call = SYS_dup3, .argument = 1, .count = 1, .values = {STDERR_FILENO}},
/* memory and ledgers, but not executable */
#ifdef SYS_mmap
    {.call = SYS_mmap, .argument = 2, .mask = PROT_EXEC},
#endif
    {.call = SYS_mprotect, .argument = 2, .mask = PROT_EXEC},
};

enum {
    CALLS = sizeof(calls) / sizeof(*calls),
    CONDITIONS = sizeof(conditions) / sizeof(*conditions),
    INSTRUCTIONS_MAXIMUM = 8 + 2 * CALLS + 16 * (CONDITIONS + 2)
};

struct program {
    struct sock_filter code[INSTRUCTIONS_MAXIMUM];
    unsigned short length;
};

/* `yes` and `no`: numbers of instructions to skip. */
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

/* Decides if the loaded word is this value; otherwise goes on. */
static void decide_if(struct program *program, uint32_t value, uint32_t decision)
{
    add(program, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
    decide(program, decision);
}

/* Forbids the call if the condition is not met.  Otherwise permits it, unless it has more
 * conditions. */
static void add_condition(struct program *program, const struct condition *condition, bool more)
{
    const size_t argument =
        offsetof(struct seccomp_data, args) + condition->argument * sizeof(uint64_t);
    /* For another call, jumps behind these instructions. */
    unsigned short jump = program->length;

    add(program, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)condition->call, 0, 0);
    load(program, argument + LOW_HALF);
    /* Each value skips the values after it and the decision. */
    for (unsigned i = 0; i < condition->count; i++)
        add(program, BPF_JMP | BPF_JEQ | BPF_K, condition->values[i],
            (uint8_t)(condition->count - i), 0);
    if (condition->count == 0)
        add(program, BPF_JMP | BPF_JSET | BPF_K, condition->mask, 0, 1);
    decide(program, SECCOMP_RET_TRAP);
    if (condition->mask == UINT32_MAX) {
        load(program, argument + 4 - LOW_HALF);
        add(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
        decide(program, SECCOMP_RET_TRAP);
    }
    if (more)
        load(program, offsetof(struct seccomp_data, nr));
    else
        decide(program, SECCOMP_RET_ALLOW);
    program->code[jump].jf = (uint8_t)(program->length - jump - 1);
}

static void write_program(struct program *program)
{
    /* To itself only: abort(3) and raise(3) send signals. */
    struct condition itself = {
        .call = SYS_tgkill, .argument = 0, .count = 1, .values = {(uint32_t)getpid()}};

    program->length = 0;
    load(program, offsetof(struct seccomp_data, arch));
    add(program, BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
    decide(program, SECCOMP_RET_KILL_PROCESS);
    load(program, offsetof(struct seccomp_data, nr));
    /* -1 is no call: a debugger skips a call with it.  Calls of x32 have higher numbers than all
     * permitted ones. */
    decide_if(program, UINT32_MAX, SECCOMP_RET_ALLOW);
    for (unsigned i = 0; i < CALLS; i++)
        decide_if(program, (uint32_t)calls[i], SECCOMP_RET_ALLOW);
    for (unsigned i = 0; i < CONDITIONS; i++)
        add_condition(program, &conditions[i],
                      i + 1 < CONDITIONS && conditions[i + 1].call == conditions[i].call);
    add_condition(program, &itself, false);
    itself.call = SYS_tkill; /* the same in some libcs */
    add_condition(program, &itself, false);
    decide(program, SECCOMP_RET_TRAP);
}

/* Runs in place of the forbidden call, and so may log: it interrupts nothing. */
static void on_forbidden_call(int signal_number, siginfo_t *information, void *context)
{
    (void)signal_number;
    (void)context;
    log_error("system call %d is none of the supervisor's: this process is under attack, or "
              "its libc is not the one it was built for; dying of SIGSYS",
              information->si_syscall);
    signals_die_of(SIGSYS); /* a fault as any other: another supervisor takes its place */
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
