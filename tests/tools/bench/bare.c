/*
 * bare ADDRESS - accepts, writes "ok\n" and closes, and starts nobody.
 *
 * What one process can serve at most to a given client; no server that starts handlers is faster.
 * ADDRESS is numeric.  Prints "ADDRESS PORT" once it listens, on a free port, and goes on until it
 * is killed.  As it never reads, a client that says something gets a reset behind the answer.
 */
#include "tests/shared/address.h"

#include <errno.h>
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
    socklen_t length = address_numeric(text, 0, &address);
    int listener;

    if (length == 0) {
        (void)fprintf(stderr, "bare: %s is no numeric address\n", text);
        exit(2);
    }
    listener = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
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
