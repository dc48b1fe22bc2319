#include "tests/tools/faults/run/visit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int visit_begin(uint16_t port, unsigned from, const char *words)
{
    struct sockaddr_in here = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + from)};
    struct sockaddr_in there = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (descriptor >= 0 &&
        (bind(descriptor, (const struct sockaddr *)&here, sizeof(here)) != 0 ||
         connect(descriptor, (const struct sockaddr *)&there, sizeof(there)) != 0 ||
         send(descriptor, words, strlen(words), MSG_NOSIGNAL) < 0)) {
        (void)close(descriptor); /* nobody is there */
        descriptor = -1;
    }
    return descriptor;
}

static int64_t now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

enum visit_end visit_end(int descriptor, int milliseconds, char *text, unsigned size)
{
    const int64_t deadline = now() + milliseconds;
    struct pollfd event = {.fd = descriptor, .events = POLLIN};
    enum visit_end end = VISIT_HANGING;
    unsigned filled = 0;
    unsigned got = 0;
    char piece[4096];
    ssize_t length;

    while (end == VISIT_HANGING && deadline > now()) {
        if (poll(&event, 1, (int)(deadline - now())) <= 0)
            continue;
        length = recv(descriptor, piece, sizeof(piece), MSG_DONTWAIT);
        if (length <= 0) {
            end = got > 0 ? VISIT_ANSWERED : VISIT_CUT;
            continue;
        }
        got += (unsigned)length;
        if (text != NULL && filled + (unsigned)length < size) {
            memcpy(text + filled, piece, (size_t)length);
            filled += (unsigned)length;
        }
    }
    if (text != NULL)
        text[filled] = '\0';
    (void)close(descriptor); /* all has been read, or does not matter */
    return end;
}

void visit_reset(int descriptor)
{
    (void)setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
                     sizeof(struct linger));
    (void)close(descriptor); /* that sends the reset */
}
