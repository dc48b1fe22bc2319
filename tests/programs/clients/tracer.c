/*
 * tracer PROCESS - traces a process and lets it run.  If it dies, its parent cannot reap it before
 * this program ends: until then it is the tracer's.
 *
 * Prints "tracing" once it does, and waits to be killed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <unistd.h>

int main(int count, char **words)
{
    if (count != 2) {
        (void)fprintf(stderr, "usage: tracer PROCESS\n");
        return 2;
    }
    if (ptrace(PTRACE_SEIZE, (pid_t)atoi(words[1]), NULL, NULL) != 0) {
        perror("tracer: PTRACE_SEIZE");
        return 1;
    }
    if (puts("tracing") < 0 || fflush(stdout) != 0)
        return 1;
    for (;;)
        (void)pause(); /* it only returns for signals, of which none is handled */
}
