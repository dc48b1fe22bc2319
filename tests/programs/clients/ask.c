/*
 * ask [-n COUNT] [-p MS] [-r] [-0] PLACE REQUEST - asks the daemon again and again, each time over
 * a connection of its own, COUNT times, or until SIGTERM: as fast as it answers, or with pauses.
 *
 * PLACE is the path of a Unix socket, with a slash in it, or IPV4:PORT.  REQUEST is sent with a
 * line feed behind it.  Writes the answers to standard output, without the heads of HTTP, of which
 * each has to say 200; with -0, with a byte of 0 behind each.  Says on standard error in the end
 * how often it has asked, and how long the slowest answer took, and fails if any did not come.
 * With -r it asks again, a few times, if the connection ends without an answer: among many clients
 * one that was held up before it could ask has to give way.
 */
#include "tests/shared/address.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER = 1 << 20, PATIENCE = 20 /* seconds */, REPETITIONS = 5 };

static volatile sig_atomic_t told_to_end;

static void on_signal(int signal_number)
{
    (void)signal_number;
    told_to_end = 1;
}

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "ask: %s: %s\n", what, strerror(errno));
    exit(1);
}

static bool is_ended(void)
{
    return errno == EPIPE || errno == ECONNRESET;
}

/* Returns the answer's length, or 0 if the connection has ended without one. */
static size_t ask(const struct sockaddr_storage *place, socklen_t size, const char *request,
                  char *answer)
{
    const struct timeval patience = {.tv_sec = PATIENCE};
    int descriptor = socket(place->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t length = 0;
    ssize_t got;

    if (descriptor < 0 ||
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
        connect(descriptor, (const struct sockaddr *)place, size) != 0)
        die("cannot connect");
    if (send(descriptor, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request) &&
        !is_ended())
        die("cannot ask");
    do {
        got = recv(descriptor, answer + length, ANSWER - 1 - length, 0);
        length += got > 0 ? (size_t)got : 0;
    } while ((got > 0 && length < ANSWER - 1) || (got < 0 && errno == EINTR));
    if (got < 0 && (length > 0 || !is_ended()))
        die("no answer");
    (void)close(descriptor);
    answer[length] = '\0';
    return length;
}

static void show(const char *answer, size_t length, bool separated)
{
    const char *body = answer;

    if (strncmp(answer, "HTTP/", 5) == 0) {
        body = strstr(answer, "\r\n\r\n");
        if (strncmp(answer + strlen("HTTP/1.1"), " 200 ", 5) != 0 || body == NULL) {
            (void)fprintf(stderr, "ask: answered with %.40s\n", answer);
            exit(1);
        }
        body += 4;
    }
    length -= (size_t)(body - answer);
    if (length == 0) {
        (void)fprintf(stderr, "ask: the answer is empty\n");
        exit(1);
    }
    if (fwrite(body, 1, length, stdout) != length || (separated && putchar('\0') == EOF))
        die("cannot write");
}

static int64_t now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
    static char answer[ANSWER];
    char request[8192];
    struct sockaddr_storage place;
    socklen_t size;
    bool separated = false;
    int repetitions = 0;
    struct timespec pause = {0};
    long most = -1;
    long asked = 0;
    int64_t longest = 0;
    int letter;

    while ((letter = getopt(argc, argv, "n:p:r0")) != -1) {
        if (letter == 'n')
            most = atol(optarg);
        else if (letter == 'p')
            pause.tv_nsec = atol(optarg) * 1000000;
        else if (letter == 'r')
            repetitions = REPETITIONS;
        else if (letter == '0')
            separated = true;
        else
            return 2;
    }
    if (argc - optind != 2)
        return 2;
    size = address_place(argv[optind], &place);
    if (size == 0) {
        (void)fprintf(stderr, "ask: %s is no place\n", argv[optind]);
        return 2;
    }
    (void)snprintf(request, sizeof(request), "%s\n", argv[optind + 1]);
    (void)signal(SIGTERM, on_signal);
    for (; asked != most && told_to_end == 0; asked++) {
        int64_t begin = now();
        size_t length = ask(&place, size, request, answer);

        for (int left = repetitions; length == 0 && left > 0; left--)
            length = ask(&place, size, request, answer);
        longest = now() - begin > longest ? now() - begin : longest;
        show(answer, length, separated);
        if (pause.tv_nsec > 0)
            (void)nanosleep(&pause, NULL); /* if a signal ends it, this is the end anyway */
    }
    (void)fprintf(stderr, "asked %ld longest %ld us\n", asked, (long)longest);
    return fflush(stdout) == 0 ? 0 : 1;
}
