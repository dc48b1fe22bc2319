/*
 * listener.h - listens on a free port, and prints where.
 */
#ifndef TESTS_TOOLS_BENCH_LISTENER_H
#define TESTS_TOOLS_BENCH_LISTENER_H

#include "tests/shared/address.h"

#include <err.h>
#include <stdio.h>
#include <sys/socket.h>

static inline unsigned listener_port(const struct sockaddr_storage *address)
{
    const void *bytes = address;
    const struct sockaddr_in *ipv4 = bytes;
    const struct sockaddr_in6 *ipv6 = bytes;

    return ntohs(address->ss_family == AF_INET ? ipv4->sin_port : ipv6->sin6_port);
}

/* Listens on a free port of a numeric address, and prints "ADDRESS PORT".  Returns the listener;
 * ends the program if there can be none. */
static inline int listener_open(const char *text)
{
    struct sockaddr_storage address;
    socklen_t length = address_numeric(text, 0, &address);
    int listener;

    if (length == 0)
        errx(2, "%s is no numeric address", text);
    listener = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (const struct sockaddr *)&address, length) != 0 ||
        listen(listener, SOMAXCONN) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        err(1, "%s", text);
    printf("%s %u\n", text, listener_port(&address));
    if (fflush(stdout) != 0)
        err(1, "standard output");
    return listener;
}

#endif
