/*
 * takeover [-d] PID CALL... - takes a running process over and has it make system calls.
 *
 * This takes root.  The process is stopped as by a debugger, wherever it is: also in the midst of a
 * call that waits.  For each CALL it is then led to a system call instruction of its own.  Prints a
 * line each:
 *
 *     CALL: forbidden (SIGSYS)      it was not made, and the process would have got that signal
 *     CALL: returned N              it was made
 *     CALL: returned -1 (REASON)    it was made, and has failed
 *
 * Afterwards the process goes on where it was, as if nothing had happened, as the arguments are
 * such that hardly any of the calls, if it is made after all, does any harm.  A process that one of
 * them starts is killed before it runs; so is this one if it executes something else.
 *
 *   -d   the signal of the last call is not taken back: the process gets it
 *
 * takeover -l - prints the names of all calls that a process must not be able to make if others are
 * to be safe from it.  There are more, for comparison, that are not listed.
 *
 * The exit status is 0 if all calls could be tried, whatever became of them.
 */
#include <asm/unistd.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
enum { INSTRUCTION_LENGTH = 2, ALIGNMENT = 1 };
static const unsigned char instruction[INSTRUCTION_LENGTH] = {0x0f, 0x05}; /* syscall */
#elif defined(__aarch64__)
enum { INSTRUCTION_LENGTH = 4, ALIGNMENT = 4 };
static const unsigned char instruction[INSTRUCTION_LENGTH] = {0x01, 0, 0, 0xd4}; /* svc #0 */
#else
#error "not for this processor"
#endif

/* ---- what the calls get ---- */

/* Lies in the process' stack, beyond all that it uses. */
struct material {
    char shell[16];
    char slash[8];
    char missing[16];
    char type[8];
    uint64_t arguments[2]; /* of the shell */
    struct sockaddr_in address;
    uint64_t clone[11]; /* struct clone_args of linux/sched.h */
    int32_t pair[2];
    uint64_t nothing[32];
};

/* An argument that is the address of a part of it.  No number that is meant as such is so high. */
#define MARK       0xda7a000000000000u
#define AT(member) (MARK | offsetof(struct material, member))

enum { INIT = 1 }; /* a process that is always there */

struct call {
    const char *name;
    long number;
    uint64_t arguments[6];
};

#define EXECUTABLE (PROT_READ | PROT_EXEC)
#define HERE       ((uint64_t)AT_FDCWD)
#define NONE       ((uint64_t)-1)
#define HIGH       0x100000000u /* nothing in its lower half */

/* What is of use to whoever has taken a process over. */
static const struct call attacks[] = {
    /* other programs, other processes */
    {"execve", __NR_execve, {AT(shell), AT(arguments), AT(nothing)}},
    {"execveat", __NR_execveat, {HERE, AT(shell), AT(arguments), AT(nothing)}},
#ifdef __NR_fork
    {"fork", __NR_fork, {0}},
    {"vfork", __NR_vfork, {0}},
#endif
    {"clone", __NR_clone, {SIGCHLD}},
    {"clone3", __NR_clone3, {AT(clone), sizeof(((struct material *)0)->clone)}},
    {"kill", __NR_kill, {INIT, 0}},
    {"tkill-other", __NR_tkill, {INIT, 0}},
    {"tgkill-other", __NR_tgkill, {INIT, INIT, 0}},
    {"rt_sigqueueinfo", __NR_rt_sigqueueinfo, {INIT, 0, AT(nothing)}},
    {"rt_tgsigqueueinfo", __NR_rt_tgsigqueueinfo, {INIT, INIT, 0, AT(nothing)}},
    {"pidfd_open", __NR_pidfd_open, {INIT}},
    {"pidfd_send_signal", __NR_pidfd_send_signal, {NONE}},
    {"pidfd_getfd", __NR_pidfd_getfd, {NONE}},
    {"sched_setaffinity-other", __NR_sched_setaffinity, {INIT, 8, AT(nothing)}},
    {"ptrace", __NR_ptrace, {PTRACE_TRACEME}},
    {"process_vm_readv", __NR_process_vm_readv, {INIT}},
    {"process_vm_writev", __NR_process_vm_writev, {INIT}},
    {"setpriority", __NR_setpriority, {NONE}},
    {"prlimit64", __NR_prlimit64, {INIT}},

/* files */
#ifdef __NR_open
    {"open", __NR_open, {AT(slash), O_RDONLY}},
    {"creat", __NR_creat, {AT(missing), 0600}},
    {"mknod", __NR_mknod, {AT(missing), 0600}},
    {"mkdir", __NR_mkdir, {AT(missing), 0700}},
    {"unlink", __NR_unlink, {AT(missing)}},
    {"rename", __NR_rename, {AT(missing), AT(missing)}},
    {"link", __NR_link, {AT(missing), AT(missing)}},
    {"symlink", __NR_symlink, {AT(missing), AT(missing)}},
    {"chmod", __NR_chmod, {AT(missing), 0777}},
    {"chown", __NR_chown, {AT(missing), 0, 0}},
    {"readlink", __NR_readlink, {AT(missing), AT(nothing), 16}},
#endif
    {"openat", __NR_openat, {HERE, AT(slash), O_RDONLY}},
    {"openat2", __NR_openat2, {HERE, AT(slash), AT(nothing), 24}},
    {"open_by_handle_at", __NR_open_by_handle_at, {HERE, AT(nothing), 0}},
    {"mknodat", __NR_mknodat, {HERE, AT(missing), 0600}},
    {"mkdirat", __NR_mkdirat, {HERE, AT(missing), 0700}},
    {"unlinkat", __NR_unlinkat, {HERE, AT(missing), 0}},
    {"renameat2", __NR_renameat2, {HERE, AT(missing), HERE, AT(missing), 0}},
    {"linkat", __NR_linkat, {HERE, AT(missing), HERE, AT(missing), 0}},
    {"symlinkat", __NR_symlinkat, {AT(missing), HERE, AT(missing)}},
    {"fchmod", __NR_fchmod, {NONE, 0777}},
    {"fchmodat", __NR_fchmodat, {HERE, AT(missing), 0777}},
    {"fchown", __NR_fchown, {NONE, 0, 0}},
    {"fchownat", __NR_fchownat, {HERE, AT(missing), 0, 0, 0}},
    {"truncate", __NR_truncate, {AT(missing), 0}},
    {"chdir", __NR_chdir, {AT(slash)}},
    {"fchdir", __NR_fchdir, {NONE}},
    {"chroot", __NR_chroot, {AT(slash)}},
    {"pivot_root", __NR_pivot_root, {AT(missing), AT(missing)}},
    {"mount", __NR_mount, {AT(type), AT(missing), AT(type), MS_NOSUID}},
    {"umount2", __NR_umount2, {AT(missing), 0}},
    {"open_tree", __NR_open_tree, {HERE, AT(missing), 0}},
    {"move_mount", __NR_move_mount, {HERE, AT(missing), HERE, AT(missing), 0}},
    {"fsopen", __NR_fsopen, {AT(missing), 0}},
    {"inotify_init1", __NR_inotify_init1, {NONE}},
    {"fanotify_init", __NR_fanotify_init, {NONE, NONE}},
    {"getdents64", __NR_getdents64, {NONE, AT(nothing), 64}},
    {"sendfile", __NR_sendfile, {NONE, NONE, 0, 1}},

    /* the network */
    {"socket", __NR_socket, {AF_INET, SOCK_STREAM, 0}},
    {"connect", __NR_connect, {NONE, AT(address), sizeof(struct sockaddr_in)}},
    {"bind", __NR_bind, {NONE, AT(address), sizeof(struct sockaddr_in)}},
    {"setsockopt", __NR_setsockopt, {NONE, SOL_SOCKET, SO_DEBUG, AT(nothing), 4}},
    {"sendmmsg", __NR_sendmmsg, {NONE, AT(nothing), 1, 0}},
    {"sendto-with-address",
     __NR_sendto,
     {NONE, AT(nothing), 1, MSG_NOSIGNAL, AT(address), sizeof(struct sockaddr_in)}},
    {"sendto-with-high-address",
     __NR_sendto,
     {NONE, AT(nothing), 1, MSG_NOSIGNAL, HIGH, sizeof(struct sockaddr_in)}},
    {"sendmsg-that-connects", __NR_sendmsg, {NONE, AT(nothing), MSG_NOSIGNAL | MSG_FASTOPEN}},
    {"socketpair-datagram", __NR_socketpair, {AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, AT(pair)}},
    {"socketpair-inet", __NR_socketpair, {AF_INET, SOCK_STREAM, 0, AT(pair)}},
    {"listen-with-backlog", __NR_listen, {NONE, 1}},

    /* privileges */
    {"setuid", __NR_setuid, {0}},
    {"setgid", __NR_setgid, {0}},
    {"setreuid", __NR_setreuid, {NONE, NONE}},
    {"setresuid", __NR_setresuid, {NONE, NONE, NONE}},
    {"setresgid", __NR_setresgid, {NONE, NONE, NONE}},
    {"setfsuid", __NR_setfsuid, {NONE}},
    {"setgroups", __NR_setgroups, {NONE, 0}},
    {"capset", __NR_capset, {0, 0}},
    {"prctl", __NR_prctl, {PR_GET_DUMPABLE}},
    {"seccomp", __NR_seccomp, {NONE, 0, 0}},
    {"personality", __NR_personality, {0xffffffff}}, /* asks only */
    {"unshare", __NR_unshare, {CLONE_NEWUSER | CLONE_FS}},
    {"setns", __NR_setns, {NONE, 0}},
    {"keyctl", __NR_keyctl, {NONE}},
    {"add_key", __NR_add_key, {0}},
#ifdef __NR_arch_prctl
    {"arch_prctl", __NR_arch_prctl, {NONE}},
    {"modify_ldt", __NR_modify_ldt, {NONE}},
#endif

    /* code */
    {"mmap-exec", __NR_mmap, {0, 4096, EXECUTABLE, MAP_PRIVATE | MAP_ANONYMOUS, NONE, 0}},
    {"mprotect-exec", __NR_mprotect, {0, 0, EXECUTABLE}},
    {"pkey_mprotect", __NR_pkey_mprotect, {0, 0, EXECUTABLE, NONE}},

    /* the kernel */
    {"ioctl", __NR_ioctl, {NONE, 0, 0}},
    {"io_setup", __NR_io_setup, {0, 0}},
    {"io_uring_setup", __NR_io_uring_setup, {0, AT(nothing)}},
    {"bpf", __NR_bpf, {NONE, AT(nothing), 0}},
    {"perf_event_open", __NR_perf_event_open, {0}},
    {"userfaultfd", __NR_userfaultfd, {NONE}},
    {"init_module", __NR_init_module, {0, 0, AT(nothing)}},
    {"finit_module", __NR_finit_module, {NONE, AT(nothing), 0}},
    {"delete_module", __NR_delete_module, {AT(missing), 0}},
    {"reboot", __NR_reboot, {0}},
    {"syslog", __NR_syslog, {NONE, 0, 0}},
    {"sethostname", __NR_sethostname, {AT(slash), NONE}},
    {"clock_settime", __NR_clock_settime, {NONE, 0}},
    {"swapon", __NR_swapon, {AT(missing), 0}},

    /* signals that the kernel would send on behalf of others, and copies of descriptors */
    {"fcntl-setown", __NR_fcntl, {NONE, F_SETOWN, INIT}},
    {"fcntl-setown_ex", __NR_fcntl, {NONE, F_SETOWN_EX, AT(nothing)}},
    {"fcntl-setsig", __NR_fcntl, {NONE, F_SETSIG, SIGCONT}},
    {"fcntl-setlease", __NR_fcntl, {NONE, F_SETLEASE, F_RDLCK}},
    {"fcntl-notify", __NR_fcntl, {NONE, F_NOTIFY, 0}},
    {"fcntl-dupfd", __NR_fcntl, {NONE, F_DUPFD, 0}},
    {"dup", __NR_dup, {NONE}},
    {"dup3", __NR_dup3, {NONE, NONE, 0}},
    {"timer_create", __NR_timer_create, {NONE, AT(nothing), AT(nothing)}},
    {"mq_notify", __NR_mq_notify, {NONE, AT(nothing)}},

#ifdef __x86_64__
    /* the second table of calls of this processor */
    {"x32-getpid", 0x40000000 + __NR_getpid, {0}},
    {"x32-execve", 0x40000000 + 520, {AT(shell), AT(arguments), AT(nothing)}},
#endif
};

/* For comparison: what a service that waits for clients needs, or near to it. */
static const struct call others[] = {
    {"none", -1, {0}},
    {"getpid", __NR_getpid, {0}},
    {"tgkill-itself", __NR_tgkill, {0, 0, 0}}, /* the ids are put in */
    {"fcntl-getfl", __NR_fcntl, {NONE, F_GETFL}},
    {"sendto", __NR_sendto, {NONE, AT(nothing), 1, MSG_NOSIGNAL, 0, 0}},
    {"sendmsg", __NR_sendmsg, {NONE, AT(nothing), MSG_DONTWAIT | MSG_NOSIGNAL}},
    {"socketpair", __NR_socketpair, {AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, 0}},
    {"listen", __NR_listen, {NONE, 0}},
    {"mprotect", __NR_mprotect, {0, 0, PROT_READ}},
    {"mmap", __NR_mmap, {0, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, NONE, 0}},
};

enum { ATTACKS = sizeof(attacks) / sizeof(*attacks), OTHERS = sizeof(others) / sizeof(*others) };

/* ---- the process ---- */

static struct {
    pid_t process;
    int memory;
    struct user_regs_struct registers; /* as they were */
    uint64_t instruction;
    uint64_t place; /* of the material */
    struct material before;
} victim;

__attribute__((format(printf, 1, 2))) static _Noreturn void give_up(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)fputs("takeover: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    (void)fputs("\n", stderr);
    va_end(arguments);
    exit(EXIT_FAILURE);
}

/* Ends the program if there is none. */
static const struct call *call_named(const char *name)
{
    for (size_t i = 0; i < ATTACKS; i++)
        if (strcmp(attacks[i].name, name) == 0)
            return &attacks[i];
    for (size_t i = 0; i < OTHERS; i++)
        if (strcmp(others[i].name, name) == 0)
            return &others[i];
    give_up("%s: no such call", name);
}

static void trace(int request, uintptr_t data, const char *what)
{
    /* The kernel knows which of its two ends this number means; glibc has a type for requests. */
#ifdef __GLIBC__
    long result = ptrace((enum __ptrace_request)request, victim.process, NULL, (void *)data);
#else
    long result = ptrace(request, victim.process, NULL, (void *)data);
#endif

    if (result != 0)
        give_up("cannot %s: %m", what);
}

static void get_registers(struct user_regs_struct *registers)
{
    struct iovec place = {.iov_base = registers, .iov_len = sizeof(*registers)};

    if (ptrace(PTRACE_GETREGSET, victim.process, (void *)(uintptr_t)NT_PRSTATUS, &place) != 0)
        give_up("cannot read registers: %m");
}

static void set_registers(const struct user_regs_struct *registers)
{
    struct user_regs_struct copy = *registers;
    struct iovec place = {.iov_base = &copy, .iov_len = sizeof(copy)};

    if (ptrace(PTRACE_SETREGSET, victim.process, (void *)(uintptr_t)NT_PRSTATUS, &place) != 0)
        give_up("cannot write registers: %m");
}

static uint64_t stack_pointer(const struct user_regs_struct *registers)
{
#ifdef __x86_64__
    return registers->rsp;
#else
    return registers->sp;
#endif
}

/* As they are just before the call is made. */
static void lead_to_call(struct user_regs_struct *registers, long number,
                         const uint64_t arguments[6])
{
#ifdef __x86_64__
    registers->rip = victim.instruction;
    registers->orig_rax = NONE; /* no call is to be made again */
    registers->rax = (uint64_t)number;
    registers->rdi = arguments[0];
    registers->rsi = arguments[1];
    registers->rdx = arguments[2];
    registers->r10 = arguments[3];
    registers->r8 = arguments[4];
    registers->r9 = arguments[5];
#else
    registers->pc = victim.instruction;
    registers->regs[8] = (uint64_t)number;
    for (int i = 0; i < 6; i++)
        registers->regs[i] = arguments[i];
#endif
}

static int64_t result_of_call(void)
{
    struct user_regs_struct registers;

    get_registers(&registers);
#ifdef __x86_64__
    return (int64_t)registers.rax;
#else
    return (int64_t)registers.regs[0];
#endif
}

static int wait_for(pid_t process)
{
    int status;

    while (waitpid(process, &status, __WALL) < 0)
        if (errno != EINTR)
            give_up("cannot wait for process %d: %m", process);
    return status;
}

/* One that was just started has not run yet. */
static void kill_started(void)
{
    unsigned long started = 0;

    if (ptrace(PTRACE_GETEVENTMSG, victim.process, NULL, &started) != 0 || started == 0)
        give_up("cannot learn which process was started: %m");
    if (kill((pid_t)started, SIGKILL) == 0)
        while (!WIFSIGNALED(wait_for((pid_t)started)))
            ;
}

/* Waits for the next stop; deals with those by which something has been started. */
static int next_stop(const char *name)
{
    for (;;) {
        int status = wait_for(victim.process);

        if (!WIFSTOPPED(status))
            give_up("%s: the process has ended, status %#x", name, (unsigned)status);
        switch (status >> 16) {
        case PTRACE_EVENT_FORK:
        case PTRACE_EVENT_VFORK:
        case PTRACE_EVENT_CLONE:
            kill_started();
            trace(PTRACE_SYSCALL, 0, "go on");
            break;
        case PTRACE_EVENT_EXEC:
            (void)printf("%s: was made\n", name);
            (void)fflush(stdout);
            (void)kill(victim.process, SIGKILL);
            give_up("the process executed something else, and was killed");
        default:
            return status;
        }
    }
}

/* Where it is; in the kernel, on the way by which calls that were interrupted are begun again. */
static void await_stop(void)
{
    while (next_stop("stop") >> 16 != PTRACE_EVENT_STOP)
        trace(PTRACE_CONT, 0, "go on");
}

static bool find_instruction_in(uint64_t begin, uint64_t end)
{
    unsigned char code[4096];

    for (uint64_t at = begin; at < end; at += sizeof(code)) {
        ssize_t got = pread(victim.memory, code, sizeof(code), (off_t)at);

        for (ssize_t i = 0; i + INSTRUCTION_LENGTH <= got; i += ALIGNMENT)
            if (memcmp(code + i, instruction, INSTRUCTION_LENGTH) == 0) {
                victim.instruction = at + (uint64_t)i;
                return true;
            }
    }
    return false;
}

static void find_instruction(void)
{
    char line[512];
    char path[64];
    FILE *maps;
    uint64_t begin = 0;
    uint64_t end = 0;
    bool found = false;

    (void)snprintf(path, sizeof(path), "/proc/%d/maps", victim.process);
    maps = fopen(path, "re");
    if (maps == NULL)
        give_up("cannot read %s: %m", path);
    while (!found && fgets(line, sizeof(line), maps) != NULL) {
        char *rest = NULL;

        begin = strtoull(line, &rest, 16);
        end = *rest == '-' ? strtoull(rest + 1, &rest, 16) : 0;
        if (strncmp(rest, " r-xp ", 6) == 0 && strstr(rest, "[v") == NULL)
            found = find_instruction_in(begin, end);
    }
    (void)fclose(maps); /* it was only read */
    if (!found)
        give_up("there is no system call in the program");
}

static void put(const struct material *material)
{
    if (pwrite(victim.memory, material, sizeof(*material), (off_t)victim.place) !=
        (ssize_t)sizeof(*material))
        give_up("cannot write to the stack: %m");
}

static void prepare_material(void)
{
    const uint64_t red_zone = 128;
    struct material material = {
        .shell = "/bin/sh",
        .slash = "/",
        .missing = "/missing/file",
        .type = "tmpfs",
        .address = {.sin_family = AF_INET, .sin_port = htons(9)},
        .clone = {[4] = SIGCHLD},
    };

    victim.place = (stack_pointer(&victim.registers) - red_zone - sizeof(material)) & ~(uint64_t)63;
    if (pread(victim.memory, &victim.before, sizeof(victim.before), (off_t)victim.place) !=
        (ssize_t)sizeof(victim.before))
        give_up("cannot read the stack: %m");
    material.arguments[0] = victim.place + offsetof(struct material, shell);
    material.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    put(&material);
}

static void take(pid_t process)
{
    const uintptr_t options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                              PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
    char path[64];

    victim.process = process;
    trace(PTRACE_SEIZE, options, "attach to the process");
    trace(PTRACE_INTERRUPT, 0, "stop the process");
    await_stop();
    (void)snprintf(path, sizeof(path), "/proc/%d/mem", process);
    victim.memory = open(path, O_RDWR | O_CLOEXEC);
    if (victim.memory < 0)
        give_up("cannot open %s: %m", path);
    get_registers(&victim.registers);
    find_instruction();
    prepare_material();
}

static void release(void)
{
    put(&victim.before);
    set_registers(&victim.registers);
    /* So that a call that was interrupted is begun again, if it is of that kind. */
    trace(PTRACE_INTERRUPT, 0, "stop the process");
    trace(PTRACE_CONT, 0, "go on");
    await_stop();
    trace(PTRACE_DETACH, 0, "let go of the process");
}

/* ---- calls ---- */

static bool is_pending(int signal_number)
{
    struct {
        uint64_t offset;
        uint32_t flags;
        int32_t count;
    } request = {.count = 1}; /* struct ptrace_peeksiginfo_args */
    siginfo_t information;

    /* At the end of a call nothing else is pending but what that has caused, or a blocked signal.
     */
    while (ptrace(PTRACE_PEEKSIGINFO, victim.process, &request, &information) == 1) {
        if (information.si_signo == signal_number)
            return true;
        request.offset++;
    }
    return false;
}

static void await_call_stop(const struct call *call)
{
    trace(PTRACE_SYSCALL, 0, "go on");
    while (WSTOPSIG(next_stop(call->name)) != (SIGTRAP | 0x80))
        trace(PTRACE_SYSCALL, 0, "go on"); /* a signal that came by chance */
}

static void print_result(int64_t result)
{
    const int most = 4095; /* errno of a failed call, as the kernel returns it */

    if (result < 0 && result >= -most)
        (void)printf("returned -1 (%s)\n", strerror((int)-result));
    else
        (void)printf("returned %lld\n", (long long)result);
}

/* Whether it was forbidden; the process is about to get the signal then. */
static bool make(const struct call *call)
{
    struct user_regs_struct registers = victim.registers;
    uint64_t arguments[6];

    for (int i = 0; i < 6; i++) {
        arguments[i] = call->arguments[i];
        if ((arguments[i] & 0xffff000000000000u) == MARK)
            arguments[i] = victim.place + (arguments[i] & ~MARK);
    }
    if (strcmp(call->name, "tgkill-itself") == 0)
        arguments[0] = arguments[1] = (uint64_t)victim.process; /* it has one thread */
    lead_to_call(&registers, call->number, arguments);
    set_registers(&registers);
    await_call_stop(call); /* before */
    await_call_stop(call); /* behind */
    (void)printf("%s: ", call->name);
    if (!is_pending(SIGSYS)) {
        print_result(result_of_call());
        return false;
    }
    (void)printf("forbidden (SIGSYS)\n");
    trace(PTRACE_CONT, 0, "go on");
    while (WSTOPSIG(next_stop(call->name)) != SIGSYS)
        trace(PTRACE_CONT, 0, "go on");
    return true;
}

static void list(void)
{
    for (size_t i = 0; i < ATTACKS; i++)
        (void)puts(attacks[i].name);
}

int main(int argc, char **argv)
{
    bool deliver = argc > 1 && strcmp(argv[1], "-d") == 0;
    char **words = argv + (deliver ? 2 : 1);
    bool forbidden = false;

    if (argc == 2 && strcmp(argv[1], "-l") == 0) {
        list();
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (argc < (deliver ? 4 : 3) || atoi(*words) <= 0)
        give_up("usage: takeover [-d] PID CALL...");
    for (char **word = words + 1; *word != NULL; word++)
        (void)call_named(*word); /* before anything has happened */
    take(atoi(*words));
    for (char **word = words + 1; *word != NULL; word++)
        forbidden = make(call_named(*word));
    if (deliver && forbidden)
        trace(PTRACE_DETACH, SIGSYS, "let go of the process");
    else
        release();
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
