/*
 * burst ADDRESS PORT COUNT - COUNT clients that connect one right after the other and then wait.
 *
 * Client N (from 1) sends the line "N" and expects exactly that back, and then the end of the
 * connection.  As each connect(2) returns before the next begins, N is also the order of arrival.
 * Prints "connected C answered A failed F" and exits 0 only if all were answered.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ANSWER_MAXIMUM = 24,
    COMPLAINTS = 5,
    PATIENCE = 120 * 1000 /* milliseconds without any news */
};

struct client {
    char answer[ANSWER_MAXIMUM];
    size_t length;
};

static socklen_t parse_address(const char *text, const char *port, struct sockaddr_storage *address)
{
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)(void *)address;
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)(void *)address;

    memset(address, 0, sizeof(*address));
    if (inet_pton(AF_INET, text, &ipv4->sin_addr) == 1) {
        ipv4->sin_family = AF_INET;
        ipv4->sin_port = htons((uint16_t)atoi(port));
        return sizeof(*ipv4);
    }
    if (inet_pton(AF_INET6, text, &ipv6->sin6_addr) == 1) {
        ipv6->sin6_family = AF_INET6;
        ipv6->sin6_port = htons((uint16_t)atoi(port));
        return sizeof(*ipv6);
    }
    fprintf(stderr, "burst: %s is not a numeric address\n", text);
    exit(2);
}

static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Only the first few: thousands may fail for one reason. */
static void complain(unsigned number, const char *what, const char *why)
{
    static int complaints;

    if (complaints++ < COMPLAINTS)
        fprintf(stderr, "burst: client %u %s: %s\n", number, what, why);
}

static int connect_one(const struct sockaddr_storage *address, socklen_t length, unsigned number)
{
    char line[ANSWER_MAXIMUM];
    int size = snprintf(line, sizeof(line), "%u\n", number);
    int client = socket(address->ss_family, SOCK_STREAM, 0);

    if (client < 0 || connect(client, (const struct sockaddr *)address, length) != 0 ||
        send(client, line, (size_t)size, MSG_NOSIGNAL) != size) {
        complain(number, "cannot connect", strerror(errno));
        if (client >= 0)
            (void)close(client);
        return -1;
    }
    return client;
}

/* Whether the client is done, and then in *right whether it was answered as it should. */
static int receive(int descriptor, struct client *client, unsigned number, int *right)
{
    char expected[ANSWER_MAXIMUM];
    ssize_t got = recv(descriptor, client->answer + client->length,
                       sizeof(client->answer) - client->length, MSG_DONTWAIT);

    if (got < 0 && errno == EAGAIN)
        return 0;
    if (got > 0) {
        client->length += (size_t)got;
        if (client->length < sizeof(client->answer))
            return 0;
    }
    (void)snprintf(expected, sizeof(expected), "%u\n", number);
    *right = got == 0 && client->length == strlen(expected) &&
             memcmp(client->answer, expected, client->length) == 0;
    if (!*right)
        complain(number, "was not answered", got < 0 ? strerror(errno) : "not what it sent");
    return 1;
}

int main(int argc, char **argv)
{
    unsigned count = argc == 4 ? (unsigned)atoi(argv[3]) : 0;
    struct pollfd *polls = calloc(count, sizeof(*polls));
    struct client *clients = calloc(count, sizeof(*clients));
    struct sockaddr_storage address;
    unsigned connected = 0;
    unsigned answered = 0;
    unsigned open_clients;
    socklen_t length;

    if (count == 0 || polls == NULL || clients == NULL) {
        fprintf(stderr, "usage: burst ADDRESS PORT COUNT\n");
        return 2;
    }
    raise_limit();
    length = parse_address(argv[1], argv[2], &address);
    for (unsigned i = 0; i < count; i++) {
        polls[i] = (struct pollfd){.fd = connect_one(&address, length, i + 1), .events = POLLIN};
        connected += polls[i].fd >= 0;
    }
    open_clients = connected;
    while (open_clients > 0 && poll(polls, count, PATIENCE) > 0) {
        for (unsigned i = 0; i < count; i++) {
            int right = 0;
            if (polls[i].fd < 0 || polls[i].revents == 0 ||
                !receive(polls[i].fd, &clients[i], i + 1, &right))
                continue;
            answered += (unsigned)right;
            (void)close(polls[i].fd);
            polls[i].fd = -1;
            open_clients--;
        }
    }
    printf("connected %u answered %u failed %u\n", connected, answered, count - answered);
    return answered == count ? 0 : 1;
}
