/*
 * orphans SECONDS RATE - a handler that makes RATE orphans a second, for so long.
 *
 * Each orphan is a process whose parent is dead, and which ends at once, as the leader of a session
 * of its own.  Says "made N" when it has made N of them.
 */
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { AT_ONCE = 100 /* orphans of one parent */ };

static uint64_t now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

/* vfork(2) is several times as fast as fork(2); the child shares our memory until it ends. */
static void make_some(void)
{
    pid_t parent = fork();

    if (parent == 0) {
        for (int i = 0; i < AT_ONCE; i++)
            if (vfork() == 0) { /* see above.  NOLINT(clang-analyzer-security.insecureAPI.vfork) */
                (void)setsid(); /* changes no memory.  NOLINT(clang-analyzer-unix.Vfork) */
                _exit(0);
            }
        _exit(0);
    }
    (void)waitpid(parent, NULL, 0);
}

int main(int argc, char **argv)
{
    uint64_t begin = now();
    uint64_t rate = argc == 3 ? strtoull(argv[2], NULL, 10) : 1;
    uint64_t end = begin + (argc == 3 ? strtoull(argv[1], NULL, 10) : 0) * 1000000;
    uint64_t made = 0;

    for (uint64_t time = begin; time < end; time = now()) {
        if (made * 1000000 > rate * (time - begin)) {
            (void)usleep(1000);
            continue;
        }
        make_some();
        made += AT_ONCE;
    }
    (void)printf("made %lu\n", (unsigned long)made);
    return fflush(stdout) == 0 ? 0 : 1;
}
