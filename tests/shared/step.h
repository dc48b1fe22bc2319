/*
 * step.h - for probes: steps a child through an operation, and has what it shares with this process
 * examined after each instruction, as if the child had been killed there.
 */
#ifndef TESTS_SHARED_STEP_H
#define TESTS_SHARED_STEP_H

#include "tests/shared/check.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STEPS_MOST = 200000 /* of one operation */ };

/* Sanitizers and valgrind have far too many instructions, and may not be traced. */
static bool can_step(void)
{
    pid_t child = fork();
    int status = 0;

#if defined(__SANITIZE_ADDRESS__) || defined(MEMCHECK_BUILD)
    if (child == 0)
        _exit(1);
#endif
    if (child == 0)
        _exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? 0 : 1);
    if (waitpid(child, &status, 0) == child && status == 0)
        return true;
    (void)fprintf(stderr, "no process can be stepped through here\n");
    return false;
}

/* Waits until the child stops or ends.  Returns true if another step can be made. */
static bool is_under_way(pid_t child, int *status)
{
    return waitpid(child, status, 0) == child && WIFSTOPPED(*status) &&
           (WSTOPSIG(*status) == SIGTRAP || WSTOPSIG(*status) == SIGSTOP);
}

static pid_t step_begin(void (*act)(void))
{
    pid_t child = fork();

    if (child != 0)
        return child;
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(2);
    (void)raise(SIGSTOP);
    act();
    (void)raise(SIGSTOP);
    _exit(0);
}

/* Steps through `act`.  `examine` returns whether the operation has not happened (0) or has
 * happened (1); -1: neither.  Once it has happened, it stays so. */
static void step_through(void (*act)(void), int (*examine)(void), const char *name)
{
    int last = 0;
    int steps = 0;
    int status = 0;
    pid_t child = step_begin(act);

    while (steps < STEPS_MOST && is_under_way(child, &status)) {
        int found = examine();

        if (found < last) {
            (void)fprintf(stderr, "%s: step %d\n", name, steps);
            break;
        }
        last = found;
        steps++;
        if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) != 0)
            break;
    }
    /* One state or the next at each step; at last it has happened, and the child has exited. */
    CHECK(last == 1 && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
}

#endif
