/*
 * steady ADDRESS PORT LOOPS - so many clients at any time, each followed by another at once, until
 * SIGTERM.
 *
 * Each sends a line that no other sends, and expects exactly that back, and then the end of the
 * connection.  At SIGTERM those that are there are still waited for.  Prints "answered A failed F",
 * and what has failed to standard error; exits 0 if none has.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE = 60, LOOPS_MAXIMUM = 1000 };

/* Of all loops, each of which is a process. */
struct counts {
    unsigned answered;
    unsigned failed;
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

/* Until the end, or so much that it is too much; -1 with errno. */
static ssize_t read_all(int descriptor, char *answer, size_t size)
{
    size_t length = 0;

    while (length < size) {
        ssize_t got = recv(descriptor, answer + length, size - length, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -1 : (ssize_t)length;
        length += (size_t)got;
    }
    return (ssize_t)length;
}

/* Returns NULL, or what has failed, with errno. */
static const char *talk(int descriptor, const struct sockaddr_in *address, unsigned loop,
                        unsigned number)
{
    const struct timeval patience = {.tv_sec = PATIENCE};
    char line[32];
    char answer[64];
    int size = snprintf(line, sizeof(line), "%u.%u\n", loop, number);
    ssize_t length;

    if (setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0)
        return "setsockopt";
    if (connect(descriptor, (const struct sockaddr *)address, sizeof(*address)) != 0)
        return "connect";
    if (send(descriptor, line, (size_t)size, MSG_NOSIGNAL) != size)
        return "send";
    length = read_all(descriptor, answer, sizeof(answer));
    if (length < 0)
        return "recv";
    errno = EPROTO;
    return length == size && memcmp(line, answer, (size_t)size) == 0 ? NULL : "answer";
}

static void run(const struct sockaddr_in *address, unsigned loop, struct counts *counts)
{
    for (unsigned number = 1; !stopped; number++) {
        int descriptor = socket(AF_INET, SOCK_STREAM, 0);
        const char *failure = descriptor < 0 ? "socket" : talk(descriptor, address, loop, number);

        if (failure != NULL)
            (void)fprintf(stderr, "steady: client %u.%u: %s: %s\n", loop, number, failure,
                          strerror(errno));
        (void)__atomic_add_fetch(failure == NULL ? &counts->answered : &counts->failed, 1,
                                 __ATOMIC_SEQ_CST);
        if (descriptor >= 0)
            (void)close(descriptor);
    }
}

int main(int argc, char **argv)
{
    /* Whoever waits for an answer is to get it. */
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct sockaddr_in address = {.sin_family = AF_INET};
    unsigned loops = argc == 4 ? (unsigned)atoi(argv[3]) : 0;
    pid_t children[LOOPS_MAXIMUM];
    struct counts *counts =
        mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (counts == MAP_FAILED || loops == 0 || loops > LOOPS_MAXIMUM ||
        inet_pton(AF_INET, argv[1], &address.sin_addr) != 1 ||
        sigaction(SIGTERM, &action, NULL) != 0) {
        (void)fprintf(stderr, "usage: steady ADDRESS PORT LOOPS\n");
        return 2;
    }
    address.sin_port = htons((uint16_t)atoi(argv[2]));
    for (unsigned i = 0; i < loops; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            run(&address, i, counts);
            _exit(0);
        }
    }
    while (!stopped)
        (void)usleep(10000); /* the signal ends it */
    for (unsigned i = 0; i < loops; i++)
        if (children[i] > 0)
            (void)kill(children[i], SIGTERM);
    while (wait(NULL) > 0 || errno == EINTR)
        continue;
    printf("answered %u failed %u\n", counts->answered, counts->failed);
    return counts->failed == 0 && counts->answered > 0 ? 0 : 1;
}
