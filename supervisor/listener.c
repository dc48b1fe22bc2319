#include "supervisor/listener.h"

#include "dispatcher/log.h"
#include "supervisor/address.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int set_flag(int descriptor, int level, int option, int value)
{
    return setsockopt(descriptor, level, option, &value, sizeof(value));
}

/* How soon a peer that has vanished without a word is found: clients inherit it.  The system's
 * default takes more than two hours (tcp(7)); whoever has set it to less has a reason. */
static const struct {
    int option;
    int most;
} keepalive[] = {
    {.option = TCP_KEEPIDLE, .most = 60},  /* seconds of silence until it is asked */
    {.option = TCP_KEEPINTVL, .most = 10}, /* seconds between two questions */
    {.option = TCP_KEEPCNT, .most = 6},    /* questions without an answer */
};

static int set_keepalive(int descriptor)
{
    if (set_flag(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1) != 0)
        return -1;
    for (size_t i = 0; i < sizeof(keepalive) / sizeof(*keepalive); i++) {
        int value;
        socklen_t length = sizeof(value);

        if (getsockopt(descriptor, IPPROTO_TCP, keepalive[i].option, &value, &length) != 0)
            return -1;
        if (value > keepalive[i].most &&
            set_flag(descriptor, IPPROTO_TCP, keepalive[i].option, keepalive[i].most) != 0)
            return -1;
    }
    return 0;
}

/* With `ipv6_only` an IPv6 wildcard leaves IPv4 alone; otherwise it stands for both families,
 * whatever net.ipv6.bindv6only says. */
static int open_socket(const union address_socket *address, bool ipv6_only)
{
    bool ipv6 = address->any.sa_family == AF_INET6;
    int descriptor = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error;

    if (descriptor < 0)
        return -1;
    if (set_flag(descriptor, SOL_SOCKET, SO_REUSEADDR, 1) == 0 && set_keepalive(descriptor) == 0 &&
        (!ipv6 || set_flag(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, ipv6_only) == 0) &&
        bind(descriptor, &address->any, ipv6 ? sizeof(address->ipv6) : sizeof(address->ipv4)) ==
            0 &&
        listen(descriptor, INT_MAX) == 0)
        return descriptor;

    error = errno;
    (void)close(descriptor); /* the error that matters is the one before */
    errno = error;
    return -1;
}

static int add(struct listeners *listeners, int descriptor)
{
    struct listener *list = realloc(listeners->list, (listeners->count + 1) * sizeof(*list));

    if (list == NULL)
        return -1;
    listeners->list = list;
    list[listeners->count] = (struct listener){.descriptor = descriptor};
    return address_of_socket(descriptor, &list[listeners->count++].local);
}

static int open_address(struct listeners *listeners, const union address_socket *address,
                        bool ipv6_only)
{
    int descriptor = open_socket(address, ipv6_only);
    char text[INET6_ADDRSTRLEN];
    struct endpoint endpoint;

    if (descriptor >= 0 && add(listeners, descriptor) == 0)
        return 0;
    endpoint = address_endpoint(address);
    log_error("cannot listen on %s port %u: %m", address_text(&endpoint, text), endpoint.port);
    return -1;
}

static bool kernel_has_ipv6(void)
{
    int descriptor = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (descriptor < 0)
        return errno != EAFNOSUPPORT;
    (void)close(descriptor);
    return true;
}

/* One IPv6 socket serves both families, as two would collide; where the kernel has no IPv6, an IPv4
 * one serves alone. */
static int open_any(struct listeners *listeners, const struct listener_request *request)
{
    const union address_socket ipv4 = {
        .ipv4 = {.sin_family = AF_INET,
                 .sin_port = htons(request->port),
                 .sin_addr.s_addr = htonl(INADDR_ANY)},
    };
    const union address_socket ipv6 = {
        .ipv6 = {.sin6_family = AF_INET6,
                 .sin6_port = htons(request->port),
                 .sin6_addr = IN6ADDR_ANY_INIT},
    };
    bool only_ipv4 = request->ipv4 && !request->ipv6;
    bool only_ipv6 = request->ipv6 && !request->ipv4;

    if (only_ipv6 || (!only_ipv4 && kernel_has_ipv6()))
        return open_address(listeners, &ipv6, only_ipv6);
    return open_address(listeners, &ipv4, false);
}

/* A resolver may give an address twice, if the hosts file names it for two families. */
static bool is_repeated(const struct addrinfo *first, const struct addrinfo *address)
{
    for (; first != address; first = first->ai_next)
        if (first->ai_addrlen == address->ai_addrlen &&
            memcmp(first->ai_addr, address->ai_addr, address->ai_addrlen) == 0)
            return true;
    return false;
}

static int open_name(struct listeners *listeners, const char *name,
                     const struct listener_request *request)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    bool one_family = request->ipv4 != request->ipv6;
    struct addrinfo *found;
    char port[8];
    int error;
    int result = 0;

    if (one_family)
        hints.ai_family = request->ipv6 ? AF_INET6 : AF_INET;
    (void)snprintf(port, sizeof(port), "%u", request->port);
    error = getaddrinfo(name, port, &hints, &found);
    if (error != 0) {
        log_error("cannot listen on %s: %s", name,
                  error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
        return -1;
    }
    for (const struct addrinfo *each = found; each != NULL && result == 0; each = each->ai_next) {
        union address_socket address;

        if (is_repeated(found, each))
            continue;
        memset(&address, 0, sizeof(address));
        memcpy(&address, each->ai_addr,
               each->ai_addrlen < sizeof(address) ? each->ai_addrlen : sizeof(address));
        /* Several addresses would collide with one that stands for both families. */
        result = open_address(listeners, &address,
                              (one_family && request->ipv6) || request->address_count > 1);
    }
    freeaddrinfo(found);
    return result;
}

int listeners_open(struct listeners *listeners, const struct listener_request *request)
{
    *listeners = (struct listeners){0};
    if (request->address_count == 0)
        return open_any(listeners, request);
    for (size_t i = 0; i < request->address_count; i++)
        if (open_name(listeners, request->addresses[i], request) != 0)
            return -1;
    return 0;
}

int listener_accept(const struct listener *listener, struct endpoint *remote)
{
    union address_socket address;
    socklen_t length = sizeof(address);
    int descriptor = accept4(listener->descriptor, &address.any, &length, SOCK_CLOEXEC);

    if (descriptor >= 0)
        *remote = address_endpoint(&address);
    return descriptor;
}

uint32_t listener_stop(const struct listener *listener)
{
    struct tcp_info information;
    socklen_t length = sizeof(information);

    /* On a socket that listens already, listen(2) sets the backlog anew and cannot fail. */
    (void)listen(listener->descriptor, 0);
    /* Of a listening socket, the unacknowledged are those not accepted yet (net/ipv4/tcp.c,
     * tcp_get_info()). */
    if (getsockopt(listener->descriptor, IPPROTO_TCP, TCP_INFO, &information, &length) != 0)
        log_bug("cannot read the length of a backlog: %m");
    return information.tcpi_unacked;
}

void listener_close(struct listener *listener)
{
    if (listener->descriptor >= 0)
        (void)close(listener->descriptor);
    listener->descriptor = -1;
}
