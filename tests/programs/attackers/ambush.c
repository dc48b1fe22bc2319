/*
 * ambush [-b] [-n N] [-o FILE] MESSAGE VICTIM[,VICTIM]... -p PROCESS
 * ambush [-b] [-n N] [-o FILE] MESSAGE VICTIM[,VICTIM]... COMMAND [ARG]...
 *
 * Kills processes when a certain message of a takeover passes (supervisor/takeover/inheritance.h,
 * HELLO to LEFT): when PROCESS has sent or received it, or COMMAND or a child of it.
 *
 *   -b     before it is sent.  A message that is received is known only afterwards
 *   -n N   the Nth message of that type
 *   -o FILE
 *          FILE gets a line as soon as all victims are killed
 *
 * VICTIM is the number of a process, or
 *
 *     self     whoever sends or receives the message
 *     parent   the parent of that process: the standby, if it is a supervisor
 *     first    the process of COMMAND: the keeper
 *
 * Whoever sends or receives the message cannot go on until all other victims are dead.  With -p it
 * ends after that, or with PROCESS, and prints "attached" when it is ready.  COMMAND is executed by
 * the first process itself, and a grandchild looks on.  Both look on as debuggers do (ptrace(2)),
 * so only root can do that to a daemon.
 */
#include "supervisor/takeover/inheritance.h"
#include "tests/shared/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TRACED_MAXIMUM = 64 };

static const char *const names[INHERITANCE_TYPES] = {
    [INHERITANCE_HELLO] = "HELLO",
    [INHERITANCE_LISTENER] = "LISTENER",
    [INHERITANCE_GO] = "GO",
    [INHERITANCE_RUNNING] = "RUNNING",
    [INHERITANCE_QUEUED] = "QUEUED",
    [INHERITANCE_TAKEN] = "TAKEN",
    [INHERITANCE_ALL] = "ALL",
    [INHERITANCE_READY] = "READY",
    [INHERITANCE_COMMITTED] = "COMMITTED",
    [INHERITANCE_SERVING] = "SERVING",
    [INHERITANCE_SETTLED] = "SETTLED",
    [INHERITANCE_ABORTED] = "ABORTED",
    [INHERITANCE_ENDED] = "ENDED",
    [INHERITANCE_END] = "END",
    [INHERITANCE_LEFT] = "LEFT",
    [INHERITANCE_SETTING] = "SETTING",
};

/* Nothing changes it once the command line is read. */
static struct {
    enum inheritance_type type;
    unsigned number;
    bool before;
    char *victims;
    const char *file; /* NULL: none */
    pid_t process;    /* the one to attach to, or the first */
    bool follows;     /* its children, too */
} options = {.number = 1};

static struct traced {
    pid_t process; /* 0: the place is free */
    bool calls;    /* between the beginning and the end of a call that is looked at */
    bool matches;  /* it sends the message */
    uint64_t number;
    uint64_t envelope; /* its second argument */
} table[TRACED_MAXIMUM];

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "ambush: %s: %s\n", what, strerror(errno));
    exit(2);
}

static struct traced *find(pid_t process)
{
    struct traced *place = NULL;

    for (int i = 0; i < TRACED_MAXIMUM; i++) {
        if (table[i].process == process)
            return &table[i];
        if (table[i].process == 0 && place == NULL)
            place = &table[i];
    }
    if (place == NULL) {
        (void)fputs("ambush: too many processes\n", stderr);
        exit(2);
    }
    *place = (struct traced){.process = process};
    return place;
}

/* Fails if the process has been killed meanwhile, which the next wait tells. */
static void resume(pid_t process, int signal_number)
{
    (void)ptrace(PTRACE_SYSCALL, process, NULL, (long)signal_number);
}

/* ---- the message ---- */

static bool read_memory(pid_t process, uint64_t from, void *to, size_t size)
{
    const struct iovec here = {.iov_base = to, .iov_len = size};
    const struct iovec there = {.iov_base = (void *)(uintptr_t)from, .iov_len = size};

    return process_vm_readv(process, &here, 1, &there, 1, 0) == (ssize_t)size;
}

/* Only messages of a takeover have this version: dispatcher/protocol.h, supervisor/keeper/link.h.
 */
static bool is_the_message(pid_t process, uint64_t envelope)
{
    struct msghdr message;
    struct iovec content;
    struct inheritance_header header;

    return read_memory(process, envelope, &message, sizeof(message)) && message.msg_iovlen == 1 &&
           read_memory(process, (uint64_t)(uintptr_t)message.msg_iov, &content, sizeof(content)) &&
           content.iov_len >= sizeof(header) &&
           read_memory(process, (uint64_t)(uintptr_t)content.iov_base, &header, sizeof(header)) &&
           header.version == INHERITANCE_VERSION && header.type == options.type;
}

/* ---- the ambush ---- */

/* Returns the state of a process and its parent, as proc_pid_stat(5) has them; 'X': it is gone. */
static char look_up(pid_t process, pid_t *parent)
{
    char text[512];
    char *place;

    *parent = 0;
    if (proc_read(process, "stat", text, sizeof(text)) == 0 || (place = strrchr(text, ')')) == NULL)
        return 'X';
    *parent = (pid_t)strtol(place + 3, NULL, 10);
    return place[2];
}

static bool is_dead(pid_t process)
{
    pid_t parent;

    return strchr("ZX", look_up(process, &parent)) != NULL;
}

static pid_t victim_of(const char *word, pid_t self)
{
    pid_t parent;

    (void)look_up(self, &parent);
    return strcmp(word, "self") == 0     ? self
           : strcmp(word, "parent") == 0 ? parent
           : strcmp(word, "first") == 0  ? options.process
                                         : (pid_t)strtol(word, NULL, 10);
}

static void strike(pid_t process)
{
    if (process > 1 && kill(process, SIGKILL) == 0)
        for (int i = 0; !is_dead(process) && i < 5000; i++)
            (void)usleep(1000);
}

static void note(void)
{
    int file = options.file == NULL
                   ? -1
                   : open(options.file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

    if (options.file != NULL && (file < 0 || write(file, "killed\n", 7) != 7))
        die(options.file);
}

/* The process itself is the last: its death must not be known before that of the others. */
static _Noreturn void spring(pid_t self)
{
    bool suicide = false;
    char *rest = options.victims;

    for (char *word; (word = strtok_r(rest, ",", &rest)) != NULL;) {
        pid_t victim = victim_of(word, self);

        if (victim == self)
            suicide = true;
        else
            strike(victim);
    }
    if (suicide)
        (void)kill(self, SIGKILL); /* it stands at its call, and dies of this */
    note();
    exit(0); /* by that all others go on undisturbed */
}

static bool is_due(void)
{
    return --options.number == 0;
}

static void on_call(struct traced *traced)
{
    struct __ptrace_syscall_info call;

    if (ptrace(PTRACE_GET_SYSCALL_INFO, traced->process, sizeof(call), &call) <= 0)
        return;
    if (call.op == PTRACE_SYSCALL_INFO_ENTRY) {
        traced->number = call.entry.nr;
        traced->envelope = call.entry.args[1];
        traced->matches =
            traced->number == SYS_sendmsg && is_the_message(traced->process, traced->envelope);
        if (traced->matches && options.before && is_due())
            spring(traced->process);
    } else if (call.op == PTRACE_SYSCALL_INFO_EXIT && call.exit.rval > 0 && !options.before) {
        if (traced->number == SYS_recvmsg)
            traced->matches = is_the_message(traced->process, traced->envelope);
        if (traced->matches && is_due())
            spring(traced->process);
        traced->matches = false;
    }
}

static void on_stop(struct traced *traced, int status)
{
    const int signal_number = WSTOPSIG(status);
    const int event = status >> 16;

    if (event == PTRACE_EVENT_EXEC && traced->process != options.process) {
        (void)ptrace(PTRACE_DETACH, traced->process, NULL, NULL);
        traced->process = 0;
    } else if (event == PTRACE_EVENT_STOP && signal_number != SIGTRAP) {
        (void)ptrace(PTRACE_LISTEN, traced->process, NULL, NULL); /* it stays stopped */
    } else if (event != 0) {
        resume(traced->process, 0);
    } else if (signal_number == (SIGTRAP | 0x80)) {
        on_call(traced);
        resume(traced->process, 0);
    } else {
        resume(traced->process, signal_number);
    }
}

static _Noreturn void look_on(void)
{
    int status;
    pid_t process;

    while ((process = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
        if (process < 0)
            continue;
        if (WIFSTOPPED(status))
            on_stop(find(process), status);
        else
            find(process)->process = 0;
    }
    exit(0);
}

static void attach(void)
{
    const long follow =
        PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;

    (void)find(options.process);
    if (ptrace(PTRACE_SEIZE, options.process, NULL,
               PTRACE_O_TRACESYSGOOD | (options.follows ? follow : 0)) != 0 ||
        ptrace(PTRACE_INTERRUPT, options.process, NULL, NULL) != 0)
        die("cannot attach");
}

/* ---- the command line ---- */

static _Noreturn void usage(void)
{
    (void)fprintf(stderr,
                  "usage: ambush [-b] [-n N] MESSAGE VICTIM[,VICTIM]... -p PROCESS\n"
                  "       ambush [-b] [-n N] MESSAGE VICTIM[,VICTIM]... COMMAND [ARG]...\n");
    exit(2);
}

static enum inheritance_type type_of(const char *name)
{
    for (int type = 0; type < INHERITANCE_TYPES; type++)
        if (names[type] != NULL && strcmp(names[type], name) == 0)
            return (enum inheritance_type)type;
    usage();
}

/* Executes the command in this process, which a grandchild attaches to first. */
static _Noreturn void execute(char **command)
{
    int ready[2];
    char byte;
    pid_t child;

    options.process = getpid();
    options.follows = true;
    if (pipe2(ready, O_CLOEXEC) != 0 || (child = fork()) < 0)
        die("cannot begin");
    if (child == 0) {
        if (fork() != 0)
            _exit(0); /* so that the command knows of no such child */
        attach();
        if (write(ready[1], "", 1) != 1)
            _exit(2);
        look_on();
    }
    (void)close(ready[1]); /* it is the grandchild's */
    (void)waitpid(child, NULL, 0);
    if (read(ready[0], &byte, 1) != 1)
        exit(2); /* the grandchild has said why */
    (void)execvp(command[0], command);
    die(command[0]);
}

int main(int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "+bn:o:")) != -1) {
        if (option == 'b')
            options.before = true;
        else if (option == 'n')
            options.number = (unsigned)atoi(optarg);
        else if (option == 'o')
            options.file = optarg;
        else
            usage();
    }
    if (argc - optind < 3 || options.number == 0)
        usage();
    options.type = type_of(argv[optind]);
    options.victims = argv[optind + 1];
    argv += optind + 2;
    if (strcmp(argv[0], "-p") != 0)
        execute(argv);
    if (argv[1] == NULL)
        usage();
    options.process = (pid_t)atoi(argv[1]);
    attach();
    (void)puts("attached");
    (void)fflush(stdout);
    look_on();
}
