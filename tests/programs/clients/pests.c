/*
 * pests COUNT PLACE - so many clients that ask for nothing useful, and as soon as one is got rid
 * of, it comes again, until SIGTERM.
 *
 * PLACE is the path of a Unix socket, with a slash in it, or IPV4:PORT.  In turn they say nothing;
 * send a byte now and then; send a megabyte of anything; and ask for much and never read it. Prints
 * "ready" when each has been connected once, and in the end how many connections there were.
 */
#include "tests/shared/address.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TICK = 10 /* milliseconds */, GARBAGE = 1 << 20, CHUNK = 64 << 10 };

enum kind { SILENT, SLOW, GARRULOUS, DEAF, KINDS };

struct pest {
    enum kind kind;
    int descriptor; /* -1: none */
    size_t sent;
};

static volatile sig_atomic_t told_to_end;
static struct sockaddr_storage place;
static socklen_t place_size;
static unsigned long connections;

static void on_signal(int signal_number)
{
    (void)signal_number;
    told_to_end = 1;
}

static void leave(struct pest *pest)
{
    (void)close(pest->descriptor);
    pest->descriptor = -1;
}

/* If there is no room for it yet, it tries again later. */
static void come(struct pest *pest)
{
    const int little = 1; /* as little as can be had */

    pest->sent = 0;
    pest->descriptor = socket(place.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (pest->descriptor < 0)
        return;
    (void)setsockopt(pest->descriptor, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
    if (connect(pest->descriptor, (const struct sockaddr *)&place, place_size) == 0 ||
        errno == EINPROGRESS)
        connections++;
    else
        leave(pest);
}

static void say(struct pest *pest, const char *bytes, size_t length)
{
    ssize_t sent = send(pest->descriptor, bytes, length, MSG_NOSIGNAL);

    if (sent > 0)
        pest->sent += (size_t)sent;
    else if (errno != EAGAIN && errno != ENOTCONN)
        leave(pest);
}

static void act(struct pest *pest)
{
    static const char question[] = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    static char garbage[CHUNK];
    struct pollfd connection = {.fd = pest->descriptor, .events = POLLRDHUP};

    if (garbage[0] == '\0')
        for (size_t i = 0; i < sizeof(garbage); i++)
            garbage[i] = (char)(rand() | 1);
    if (pest->descriptor < 0) {
        come(pest);
        return;
    }
    /* Who is deaf does not hear that the other end has said all. */
    if (poll(&connection, 1, 0) > 0 &&
        (pest->kind != DEAF || (connection.revents & (POLLHUP | POLLERR)) != 0)) {
        leave(pest);
        return;
    }
    if (pest->kind == SLOW)
        say(pest, "s", 1);
    else if (pest->kind == GARRULOUS && pest->sent < GARBAGE)
        say(pest, garbage, sizeof(garbage));
    else if (pest->kind == DEAF && pest->sent < sizeof(question) - 1)
        say(pest, question + pest->sent, sizeof(question) - 1 - pest->sent);
}

int main(int argc, char **argv)
{
    const struct timespec tick = {.tv_nsec = TICK * 1000000};
    size_t count = argc == 3 ? (size_t)atol(argv[1]) : 0;
    struct pest *pests;
    bool ready = false;

    place_size = count > 0 ? address_place(argv[2], &place) : 0;
    if (place_size == 0 || (pests = calloc(count, sizeof(*pests))) == NULL)
        return 2;
    (void)signal(SIGTERM, on_signal);
    for (size_t i = 0; i < count; i++)
        pests[i] = (struct pest){.kind = (enum kind)(i % KINDS), .descriptor = -1};
    while (told_to_end == 0) {
        for (size_t i = 0; i < count; i++)
            act(&pests[i]);
        if (!ready && connections >= count) {
            ready = true;
            puts("ready");
            (void)fflush(stdout);
        }
        (void)nanosleep(&tick, NULL); /* if a signal ends it, so much the better */
    }
    for (size_t i = 0; i < count; i++)
        if (pests[i].descriptor >= 0)
            leave(&pests[i]);
    free(pests);
    printf("%lu connections\n", connections);
    return 0;
}
