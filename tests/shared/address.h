/*
 * address.h - the addresses on the command lines of test programs.
 */
#ifndef TESTS_SHARED_ADDRESS_H
#define TESTS_SHARED_ADDRESS_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Stores the address of the Unix socket `name`, which is a path or an abstract name.  Returns its
 * length; 0: the name is too long. */
static inline socklen_t address_unix(const char *name, bool abstract,
                                     struct sockaddr_storage *address)
{
    struct sockaddr_un *local = (struct sockaddr_un *)(void *)address;
    size_t length = abstract + strlen(name);

    memset(address, 0, sizeof(*address));
    if (length >= sizeof(local->sun_path))
        return 0;
    local->sun_family = AF_UNIX;
    memcpy(local->sun_path + abstract, name, strlen(name));
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

/* Stores a numeric IPv4 or IPv6 address.  Returns its length; 0: `text` is no such address. */
static inline socklen_t address_numeric(const char *text, unsigned port,
                                        struct sockaddr_storage *address)
{
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)(void *)address;
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)(void *)address;

    memset(address, 0, sizeof(*address));
    if (inet_pton(AF_INET, text, &ipv4->sin_addr) == 1) {
        ipv4->sin_family = AF_INET;
        ipv4->sin_port = htons((uint16_t)port);
        return sizeof(*ipv4);
    }
    if (inet_pton(AF_INET6, text, &ipv6->sin6_addr) == 1) {
        ipv6->sin6_family = AF_INET6;
        ipv6->sin6_port = htons((uint16_t)port);
        return sizeof(*ipv6);
    }
    return 0;
}

/* Stores a numeric address, or the Unix socket unix:PATH or abstract:NAME.  Returns its length; 0:
 * `text` has none of these forms. */
static inline socklen_t address_parse(const char *text, unsigned port,
                                      struct sockaddr_storage *address)
{
    if (strncmp(text, "unix:", 5) == 0)
        return address_unix(text + 5, false, address);
    if (strncmp(text, "abstract:", 9) == 0)
        return address_unix(text + 9, true, address);
    return address_numeric(text, port, address);
}

/* Stores the address of the form PATH, with a slash in it, or IPV4:PORT.  Returns its length; 0:
 * `text` has neither form. */
static inline socklen_t address_place(const char *text, struct sockaddr_storage *address)
{
    const char *colon = strchr(text, ':');
    char host[INET_ADDRSTRLEN];

    if (strchr(text, '/') != NULL)
        return address_unix(text, false, address);
    if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
        return 0;
    (void)snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
    return address_numeric(host, (unsigned)atoi(colon + 1), address);
}

#endif
