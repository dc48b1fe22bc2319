/*
 * counted COUNTER CMD [ARG]... - runs CMD as a handler and counts itself while it does (counter.h).
 */
#include "tests/shared/counter.h"

#include <sys/wait.h>

int main(int argc, char **argv)
{
    struct counter *counter = argc > 2 ? counter_map(argv[1]) : NULL;
    int status = 0;
    pid_t child;

    if (counter == NULL)
        return 2;
    counter_enter(counter);
    child = fork();
    if (child == 0) {
        (void)execvp(argv[2], argv + 2);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        status = 1 << 8;
    counter_leave(counter);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
