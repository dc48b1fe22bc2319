/*
 * instructions PROCESS... - counts the instructions that each of the processes executes in user
 * space, one by one, until standard input ends.
 *
 * Prints "counting" once it has all of them, and at the end a line "PROCESS COUNT" for each.  The
 * children that they get meanwhile are left alone.  It takes the right to trace them, so mostly
 * root; and it is three times as fast if all of them are bound to one processor (taskset(1)).
 *
 * A processor's own counter would say the same in no time, but few virtual machines have one; and
 * emulators do not run a process that filters its system calls or clones in its own way.  This
 * works on whatever can be traced, at some ten thousand instructions a second.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES = 64 };

struct counted {
    pid_t process;
    uint64_t instructions;
};

static struct counted table[PROCESSES];
static int count;

static _Noreturn void die(const char *what, pid_t process)
{
    (void)fprintf(stderr, "instructions: cannot %s process %d: %s\n", what, process,
                  strerror(errno));
    exit(EXIT_FAILURE);
}

static struct counted *find(pid_t process)
{
    for (int i = 0; i < count; i++)
        if (table[i].process == process)
            return &table[i];
    return NULL;
}

/* Lets it execute one instruction more, and the system call that it may be. */
static void step(pid_t process, int signal_number)
{
    /* One that has been killed meanwhile is no failure: waiting will tell. */
    if (ptrace(PTRACE_SINGLESTEP, process, NULL, (void *)(intptr_t)signal_number) != 0 &&
        errno != ESRCH)
        die("step", process);
}

static void stop(pid_t process)
{
    int status;

    if (ptrace(PTRACE_INTERRUPT, process, NULL, NULL) != 0)
        die("interrupt", process);
    if (waitpid(process, &status, __WALL) != process || !WIFSTOPPED(status))
        die("stop", process);
}

static void take(pid_t process)
{
    if (ptrace(PTRACE_SEIZE, process, NULL, NULL) != 0)
        die("trace", process);
    stop(process);
    step(process, 0);
}

/* The system call that it waits in is a step that has not ended: its trap comes right behind the
 * interruption, and left to itself it would die of it. */
static void leave(pid_t process)
{
    int status;

    stop(process);
    step(process, 0);
    if (waitpid(process, &status, __WALL) != process || !WIFSTOPPED(status) ||
        ptrace(PTRACE_DETACH, process, NULL, NULL) != 0)
        die("leave", process);
}

/* A process whose end says that standard input has ended: one wait is for that and for the others,
 * so none can be missed. */
static pid_t watch_input(void)
{
    char bytes[64];
    pid_t process = fork();

    if (process < 0)
        die("fork", getpid());
    if (process > 0)
        return process;
    while (read(STDIN_FILENO, bytes, sizeof(bytes)) > 0)
        ;
    _exit(EXIT_SUCCESS);
}

static void go_on(struct counted *counted, int status)
{
    int signal_number = WSTOPSIG(status);

    if (signal_number == SIGTRAP) {
        /* A step; the stop that take() asked for was waited for there. */
        counted->instructions++;
        signal_number = 0;
    }
    step(counted->process, signal_number);
}

static void count_until_ended(pid_t watcher)
{
    for (;;) {
        int status;
        pid_t process = waitpid(-1, &status, __WALL);
        struct counted *counted = find(process);

        if (process == watcher)
            return;
        if (process < 0)
            die("wait for", getpid());
        if (counted != NULL && WIFSTOPPED(status))
            go_on(counted, status);
        else if (counted != NULL) {
            (void)fprintf(stderr, "instructions: process %d has ended\n", process);
            exit(EXIT_FAILURE);
        }
    }
}

int main(int argc, char **argv)
{
    pid_t watcher;

    if (argc < 2 || argc - 1 > PROCESSES) {
        (void)fprintf(stderr, "usage: instructions PROCESS... (%d at most)\n", PROCESSES);
        return 2;
    }
    for (count = 0; count < argc - 1; count++) {
        table[count].process = (pid_t)strtol(argv[count + 1], NULL, 10);
        take(table[count].process);
    }
    watcher = watch_input();
    (void)printf("counting\n");
    (void)fflush(stdout); /* whoever reads it is at fault if it cannot be written */
    count_until_ended(watcher);
    for (int i = 0; i < count; i++) {
        leave(table[i].process);
        (void)printf("%d %llu\n", table[i].process, (unsigned long long)table[i].instructions);
    }
    return ferror(stdout) != 0 || fclose(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
