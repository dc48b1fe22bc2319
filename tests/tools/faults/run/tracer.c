#include "tests/tools/faults/run/tracer.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __x86_64__
#error "how a system call is made to fail differs between processors, and is known for x86-64 only"
#endif

const char *const tracer_actors[ACTORS] = {
    [ACTOR_KEEPER] = "keeper",         [ACTOR_LAUNCH] = "launch",
    [ACTOR_STANDBY] = "standby",       [ACTOR_SUPERVISOR] = "supervisor",
    [ACTOR_DISPATCHER] = "dispatcher", [ACTOR_HANDLER] = "handler",
    [ACTOR_OPERATOR] = "dampenerctl",
};

const char *const tracer_phases[PHASES] = {
    [PHASE_START] = "start",
    [PHASE_SERVING] = "serving",
    [PHASE_ROLL] = "roll",
    [PHASE_END] = "end",
};

enum {
    TRACED_MAXIMUM = 128,
    OPTIONS = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
              PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL
};

static const unsigned char BREAKPOINT = 0xcc;

static struct traced {
    pid_t process; /* 0: the place is free */
    enum actor actor;
    bool known;     /* its parent has told of it */
    bool held;      /* it waits for that */
    bool begun;     /* the loader is done: from here on it is the program that makes calls */
    bool failing;   /* the call it is in is to fail */
    uint64_t entry; /* where the program begins, with a breakpoint there; 0: none */
    long original;  /* what was there */
    uint64_t call;  /* the latest, and its first argument */
    uint64_t argument;
} table[TRACED_MAXIMUM];

static const struct fault *fault;
static struct observed *observed;

static struct traced *find(pid_t process)
{
    struct traced *free_place = NULL;

    for (int i = 0; i < TRACED_MAXIMUM; i++) {
        if (table[i].process == process)
            return &table[i];
        if (table[i].process == 0 && free_place == NULL)
            free_place = &table[i];
    }
    if (free_place == NULL) {
        (void)fputs("faults: too many processes to trace\n", stderr);
        _exit(2);
    }
    *free_place = (struct traced){.process = process};
    return free_place;
}

/* Fails if it has been killed meanwhile, which the next wait tells. */
static void resume(const struct traced *traced, int signal_number)
{
    (void)ptrace(PTRACE_SYSCALL, traced->process, NULL, (long)signal_number);
}

static void poke_register(const struct traced *traced, size_t offset, unsigned long value)
{
    (void)ptrace(PTRACE_POKEUSER, traced->process, offset, value);
}

/* ---- where a program begins ---- */

static uint64_t find_entry(pid_t process)
{
    char path[64];
    Elf64_auxv_t item;
    uint64_t entry = 0;
    int file;

    (void)snprintf(path, sizeof(path), "/proc/%d/auxv", process);
    file = open(path, O_RDONLY | O_CLOEXEC);
    while (file >= 0 && entry == 0 && read(file, &item, sizeof(item)) == sizeof(item))
        if (item.a_type == AT_ENTRY)
            entry = item.a_un.a_val;
    if (file >= 0)
        (void)close(file); /* it was only read */
    return entry;
}

static void set_breakpoint(struct traced *traced)
{
    unsigned long word;

    traced->entry = find_entry(traced->process);
    errno = 0;
    traced->original = ptrace(PTRACE_PEEKTEXT, traced->process, traced->entry, NULL);
    word = ((unsigned long)traced->original & ~0xffuL) | BREAKPOINT;
    traced->begun = traced->entry == 0 || errno != 0 ||
                    ptrace(PTRACE_POKETEXT, traced->process, traced->entry, word) != 0;
}

/* Returns whether it is there. */
static bool pass_breakpoint(struct traced *traced)
{
    const size_t pointer = offsetof(struct user_regs_struct, rip);
    long now = ptrace(PTRACE_PEEKUSER, traced->process, pointer, NULL);

    if (traced->begun || (uint64_t)now != traced->entry + 1)
        return false;
    (void)ptrace(PTRACE_POKETEXT, traced->process, traced->entry, traced->original);
    poke_register(traced, pointer, traced->entry);
    traced->begun = true;
    return true;
}

/* ---- calls ---- */

static bool is_to_fail(const struct traced *traced, unsigned kind, unsigned count)
{
    return fault->call != NULL && observed->happened == 0 && traced->actor == fault->actor &&
           observed->phase == (int)fault->phase && calls_by_kind(kind) == fault->call &&
           count == fault->when;
}

/* It stands before the call or behind it, and goes no further. */
static void kill_it(struct traced *traced)
{
    (void)kill(traced->process, SIGKILL); /* it is there, stopped */
    traced->failing = false;
    observed->happened++;
}

static void on_entry(struct traced *traced, const struct __ptrace_syscall_info *call)
{
    unsigned kind;

    traced->call = call->entry.nr;
    traced->argument = call->entry.args[0];
    traced->failing = false;
    /* Of the keeper's children only the standby takes a name. */
    if (traced->actor == ACTOR_LAUNCH && traced->call == SYS_prctl &&
        traced->argument == PR_SET_NAME)
        traced->actor = ACTOR_STANDBY;
    if (!traced->begun || traced->call >= CALLS_NUMBERS)
        return;
    observed->total++;
    kind = calls_kind(traced->process, (long)traced->call, call->entry.args);
    traced->failing =
        is_to_fail(traced, kind, ++observed->counts[traced->actor][observed->phase][kind]);
    if (!traced->failing || fault->error == CALLS_KILL_AFTER ||
        (fault->call->carried_out && fault->error != CALLS_KILL))
        return;
    poke_register(traced, offsetof(struct user_regs_struct, orig_rax), (unsigned long)-1L);
    if (fault->error == CALLS_KILL)
        kill_it(traced);
}

/* brk(2) as such tells the old end instead of an error. */
static void on_exit_of(struct traced *traced)
{
    long result = fault->call != NULL && fault->call->number == SYS_brk ? 0 : -(long)fault->error;

    if (!traced->failing)
        return;
    if (fault->error == CALLS_KILL_AFTER) {
        kill_it(traced);
        return;
    }
    poke_register(traced, offsetof(struct user_regs_struct, rax), (unsigned long)result);
    traced->failing = false;
    observed->happened++;
}

static void on_call(struct traced *traced)
{
    struct __ptrace_syscall_info call;

    if (ptrace(PTRACE_GET_SYSCALL_INFO, traced->process, sizeof(call), &call) > 0) {
        if (call.op == PTRACE_SYSCALL_INFO_ENTRY)
            on_entry(traced, &call);
        else if (call.op == PTRACE_SYSCALL_INFO_EXIT)
            on_exit_of(traced);
    }
    resume(traced, 0);
}

/* ---- processes ---- */

static enum actor actor_of_child(const struct traced *parent)
{
    if (parent->actor == ACTOR_KEEPER)
        return ACTOR_LAUNCH;
    if (parent->actor == ACTOR_STANDBY)
        return ACTOR_SUPERVISOR;
    if (parent->actor == ACTOR_DISPATCHER && parent->call == SYS_clone &&
        (parent->argument & CLONE_VM) != 0)
        return ACTOR_HANDLER;
    return parent->actor;
}

static void on_child(struct traced *parent)
{
    unsigned long process = 0;
    struct traced *child;

    if (ptrace(PTRACE_GETEVENTMSG, parent->process, NULL, &process) == 0 && process != 0) {
        child = find((pid_t)process);
        child->actor = actor_of_child(parent);
        child->begun = parent->begun;
        child->known = true;
        if (child->held)
            resume(child, 0);
        child->held = false;
    }
    resume(parent, 0);
}

/* A handler is nobody to observe. */
static void on_exec(struct traced *traced)
{
    if (traced->actor == ACTOR_HANDLER) {
        (void)ptrace(PTRACE_DETACH, traced->process, NULL, NULL);
        traced->process = 0;
        return;
    }
    if (traced->actor == ACTOR_LAUNCH)
        traced->actor = ACTOR_DISPATCHER;
    traced->begun = false;
    set_breakpoint(traced);
    resume(traced, 0);
}

static void on_stop(struct traced *traced, int signal_number)
{
    if (!traced->known)
        traced->held = true;
    else if (signal_number == SIGSTOP || signal_number == SIGTSTP)
        (void)ptrace(PTRACE_LISTEN, traced->process, NULL, NULL); /* it is stopped, and stays so */
    else
        resume(traced, 0);
}

/* If it was killed within a clone, nobody will tell of the child. */
static void on_end(struct traced *traced)
{
    for (struct traced *each = table; each < table + TRACED_MAXIMUM; each++) {
        if (each->process == 0 || each->known || !each->held)
            continue;
        each->actor = actor_of_child(traced);
        each->begun = traced->begun;
        each->known = true;
        resume(each, 0);
    }
    traced->process = 0;
}

static void on_status(struct traced *traced, int status)
{
    int signal_number = WSTOPSIG(status);

    if (!WIFSTOPPED(status)) {
        on_end(traced);
        return;
    }
    switch (status >> 16) {
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK:
    case PTRACE_EVENT_CLONE:
        on_child(traced);
        break;
    case PTRACE_EVENT_EXEC:
        on_exec(traced);
        break;
    case PTRACE_EVENT_STOP:
        on_stop(traced, signal_number);
        break;
    default:
        if (signal_number == (SIGTRAP | 0x80))
            on_call(traced);
        else
            resume(traced, signal_number == SIGTRAP && pass_breakpoint(traced) ? 0 : signal_number);
    }
}

static _Noreturn void trace(void)
{
    int status;
    pid_t process;

    while ((process = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR)
        if (process > 0)
            on_status(find(process), status);
    _exit(0);
}

struct observed *tracer_memory(void)
{
    void *memory = mmap(NULL, sizeof(struct observed), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        perror("faults: mmap");
        exit(2);
    }
    return memory;
}

pid_t tracer_start(pid_t process, enum actor actor, const struct fault *wanted,
                   struct observed *memory)
{
    struct traced *first;
    char byte = 0;
    int ready[2];
    pid_t tracer;

    if (pipe2(ready, O_CLOEXEC) != 0)
        return -1;
    tracer = fork();
    if (tracer == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        fault = wanted;
        observed = memory;
        memset(table, 0, sizeof(table));
        first = find(process);
        first->actor = actor;
        first->known = true;
        if (ptrace(PTRACE_SEIZE, process, NULL, (long)OPTIONS) != 0)
            _exit(1);
        /* It goes on without being stopped, and is seen from its exec on. */
        (void)ptrace(PTRACE_INTERRUPT, process, NULL, NULL);
        (void)!write(ready[1], &byte, 1); /* else there is nothing to read */
        trace();
    }
    (void)close(ready[1]); /* it is the tracer's */
    if (tracer > 0 && read(ready[0], &byte, 1) != 1)
        tracer = -1;
    (void)close(ready[0]); /* it was only read */
    return tracer;
}
