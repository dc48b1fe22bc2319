/*
 * bare ADDRESS - accepts, writes "ok\n" and closes, and starts nobody.
 *
 * What one process can serve at most to a given client; no server that starts handlers is faster.
 * ADDRESS is numeric.  Prints "ADDRESS PORT" once it listens, on a free port, and goes on until it
 * is killed.  As it never reads, a client that says something gets a reset behind the answer.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "bare: %s: %s\n", what, strerror(errno));
    exit(1);
}

static socklen_t parse_address(const char *text, struct sockaddr_storage *address)
{
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)(void *)address;
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)(void *)address;

    memset(address, 0, sizeof(*address));
    if (inet_pton(AF_INET, text, &ipv4->sin_addr) == 1) {
        ipv4->sin_family = AF_INET;
        return sizeof(*ipv4);
    }
    if (inet_pton(AF_INET6, text, &ipv6->sin6_addr) == 1) {
        ipv6->sin6_family = AF_INET6;
        return sizeof(*ipv6);
    }
    (void)fprintf(stderr, "bare: %s is no numeric address\n", text);
    exit(2);
}

static unsigned port_of(const struct sockaddr_storage *address)
{
    const void *bytes = address;
    const struct sockaddr_in *ipv4 = bytes;
    const struct sockaddr_in6 *ipv6 = bytes;

    return ntohs(address->ss_family == AF_INET ? ipv4->sin_port : ipv6->sin6_port);
}

static int listen_on(const char *text)
{
    struct sockaddr_storage address;
    socklen_t length = parse_address(text, &address);
    int listener = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (listener < 0 || bind(listener, (const struct sockaddr *)&address, length) != 0 ||
        listen(listener, SOMAXCONN) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        die(text);
    printf("%s %u\n", text, port_of(&address));
    if (fflush(stdout) != 0)
        die("standard output");
    return listener;
}

int main(int argc, char **argv)
{
    int listener;

    if (argc != 2) {
        (void)fprintf(stderr, "usage: bare ADDRESS\n");
        return 2;
    }
    listener = listen_on(argv[1]);
    for (;;) {
        int client = accept(listener, NULL, NULL);
        /* A client that has left meanwhile is no reason to end. */
        if (client < 0 && errno != ECONNABORTED && errno != EINTR)
            die("accept");
        if (client < 0)
            continue;
        (void)send(client, "ok\n", 3, MSG_NOSIGNAL);
        (void)close(client);
    }
}
