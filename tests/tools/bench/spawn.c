/*
 * spawn [-p LOOPS] COUNT CMD [ARG]... - how many handlers a second can be started at all.
 *
 * LOOPS processes, by default as many as the processors they may use, do nothing but vfork(2),
 * execve(2) and waitpid(2), COUNT times in all.  CMD is a path; its standard input and output are
 * /dev/null.  Prints "rate R", the handlers a second.  Exits 0 if each of them exited with 0, 1 if
 * not, and 2 if CMD could not be executed.  COUNT should be some thousands, as the time includes
 * the start of the loops.
 *
 * Each loop stays on a processor of its own, and so do its handlers.  Left to the scheduler they
 * would move at every execve(2), and the rate would be a third to a half lower: a limit that is
 * easier to come near than the true one.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* In memory that all loops share. */
static struct shared {
    atomic_uint left;   /* handlers that nobody has begun yet */
    atomic_uint failed; /* handlers that have not exited with 0 */
} * shared;

static cpu_set_t processors; /* that may be used */

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "spawn: %s: %s\n", what, strerror(errno));
    exit(2);
}

static _Noreturn void usage(void)
{
    (void)fprintf(stderr, "usage: spawn [-p LOOPS] COUNT CMD [ARG]...\n");
    exit(2);
}

static unsigned parse_number(const char *text)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (!isdigit((unsigned char)*text) || *end != '\0' || number < 1 || number > INT_MAX)
        usage();
    return (unsigned)number;
}

static int64_t now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 * 1000 * 1000 + time.tv_nsec;
}

/* On the NUMBERth of the processors, and from the first again when there are no more. */
static void pin(unsigned number)
{
    unsigned nth = number % (unsigned)CPU_COUNT(&processors);
    cpu_set_t one;

    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &processors) && nth-- == 0) {
            CPU_SET(i, &one);
            break;
        }
    }
    if (sched_setaffinity(0, sizeof(one), &one) != 0)
        die("sched_setaffinity");
}

/* Returns whether the handler exited with 0. */
static bool spawn(char **command)
{
    static volatile int error; /* the child writes it, as it still has this memory */
    int status;
    /* What vfork costs is what is measured.  NOLINTNEXTLINE(clang-analyzer-*) */
    pid_t child = vfork();

    if (child < 0)
        die("vfork");
    if (child == 0) {
        (void)execv(command[0], command);
        error = errno; /* and so is telling it.  NOLINT(clang-analyzer-unix.Vfork) */
        _exit(127);
    }
    if (waitpid(child, &status, 0) != child)
        die("waitpid");
    errno = error;
    if (error != 0)
        die(command[0]);
    return status == 0;
}

static bool take_one(void)
{
    unsigned left = atomic_load(&shared->left);

    while (left > 0) {
        if (atomic_compare_exchange_weak(&shared->left, &left, left - 1))
            return true;
    }
    return false;
}

static void be_silent(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
        die("/dev/null");
}

static void start_loop(unsigned number, char **command)
{
    pid_t process = fork();

    if (process < 0)
        die("fork");
    if (process > 0)
        return;
    be_silent();
    pin(number);
    while (take_one()) {
        if (!spawn(command))
            atomic_fetch_add(&shared->failed, 1);
    }
    _exit(0);
}

/* Returns whether all of them came to their end. */
static bool await_loops(void)
{
    bool all = true;
    int status;

    while (wait(&status) > 0)
        all = all && status == 0;
    return all;
}

static void prepare(unsigned count)
{
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || sched_getaffinity(0, sizeof(processors), &processors) != 0)
        die("cannot prepare");
    atomic_store(&shared->left, count);
}

int main(int argc, char **argv)
{
    unsigned loops = 0;
    unsigned count;
    unsigned failed;
    int64_t begin;
    int letter;

    while ((letter = getopt(argc, argv, "+p:")) != -1) {
        if (letter != 'p')
            usage();
        loops = parse_number(optarg);
    }
    if (argc - optind < 2)
        usage();
    count = parse_number(argv[optind]);
    prepare(count);
    if (loops == 0)
        loops = (unsigned)CPU_COUNT(&processors);
    begin = now();
    for (unsigned i = 0; i < loops; i++)
        start_loop(i, argv + optind + 1);
    if (!await_loops())
        return 2;
    printf("rate %.1f\n", count / ((double)(now() - begin) / 1e9));
    failed = atomic_load(&shared->failed);
    if (failed > 0)
        (void)fprintf(stderr, "spawn: %u of %u handlers failed\n", failed, count);
    return failed == 0 ? 0 : 1;
}
