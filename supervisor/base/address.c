#include "supervisor/base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct endpoint address_endpoint(const union address_socket *address)
{
    struct endpoint endpoint = {.family = address->any.sa_family};
    const struct in6_addr *ipv6 = &address->ipv6.sin6_addr;

    if (endpoint.family == AF_INET) {
        endpoint.port = ntohs(address->ipv4.sin_port);
        memcpy(endpoint.address, &address->ipv4.sin_addr, sizeof(address->ipv4.sin_addr));
    } else if (endpoint.family == AF_INET6) {
        endpoint.port = ntohs(address->ipv6.sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(ipv6)) {
            endpoint.family = AF_INET;
            memcpy(endpoint.address, &ipv6->s6_addr[12], 4);
        } else {
            memcpy(endpoint.address, ipv6, sizeof(*ipv6));
        }
    } else if (endpoint.family != AF_UNIX) {
        endpoint.family = 0;
    }
    return endpoint;
}

/* Returns a number that tells sockets apart; 0 before Linux 4.12. */
static uint32_t number_of(int socket)
{
    uint64_t cookie;
    socklen_t length = sizeof(cookie);

    return getsockopt(socket, SOL_SOCKET, SO_COOKIE, &cookie, &length) == 0 ? (uint32_t)cookie : 0;
}

struct endpoint address_of_peer(int socket)
{
    struct endpoint endpoint = {.family = AF_UNIX};
    struct ucred credentials;
    socklen_t length = sizeof(credentials);
    /* getsockopt() cannot fail for a connected socket.  If it does, the peer must not pass as root.
     */
    struct endpoint_peer peer = {.user = UINT32_MAX, .group = UINT32_MAX};

    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0)
        peer = (struct endpoint_peer){
            .process = credentials.pid, .user = credentials.uid, .group = credentials.gid};
    peer.socket = number_of(socket);
    memcpy(endpoint.address, &peer, sizeof(peer));
    return endpoint;
}

struct endpoint address_without_number(const struct endpoint *remote)
{
    struct endpoint endpoint = *remote;

    if (endpoint.family == AF_UNIX)
        memset(endpoint.address + offsetof(struct endpoint_peer, socket), 0, sizeof(uint32_t));
    return endpoint;
}

int address_of_socket(int socket, struct endpoint *local)
{
    union address_socket address;
    socklen_t length = sizeof(address);

    memset(&address, 0, sizeof(address));
    if (getsockname(socket, &address.any, &length) != 0)
        return -1;
    *local = address_endpoint(&address);
    return 0;
}

int address_of_remote(int socket, struct endpoint *remote)
{
    union address_socket address;
    socklen_t length = sizeof(address);

    memset(&address, 0, sizeof(address));
    if (getpeername(socket, &address.any, &length) != 0)
        return -1;
    *remote =
        address.any.sa_family == AF_UNIX ? address_of_peer(socket) : address_endpoint(&address);
    return 0;
}

bool address_is_from(int socket, const struct endpoint *remote)
{
    struct endpoint found;

    if (address_of_remote(socket, &found) != 0)
        return errno != ENOTSOCK;
    return memcmp(&found, remote, sizeof(found)) == 0;
}

const char *address_text(const struct endpoint *endpoint, char text[INET6_ADDRSTRLEN])
{
    struct endpoint_peer peer;

    if (endpoint->family == AF_UNIX) {
        memcpy(&peer, endpoint->address, sizeof(peer));
        (void)snprintf(text, INET6_ADDRSTRLEN, "user %u", peer.user);
    } else if (inet_ntop(endpoint->family, endpoint->address, text, INET6_ADDRSTRLEN) == NULL) {
        strcpy(text, "?"); /* a family that inet_ntop() does not know */
    }
    return text;
}

const char *address_describe(const struct endpoint *endpoint, char text[ADDRESS_DESCRIPTION])
{
    char address[INET6_ADDRSTRLEN];
    struct endpoint_peer peer;

    (void)address_text(endpoint, address);
    memcpy(&peer, endpoint->address, sizeof(peer));
    if (endpoint->family == AF_UNIX)
        (void)snprintf(text, ADDRESS_DESCRIPTION, "unix process %d %s", peer.process, address);
    else
        (void)snprintf(text, ADDRESS_DESCRIPTION, "%s port %u", address, endpoint->port);
    return text;
}
