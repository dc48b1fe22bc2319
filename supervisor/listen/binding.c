#include "supervisor/listen/binding.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/address.h"
#include "supervisor/keeper/departing.h"
#include "supervisor/listen/inherited.h"
#include "supervisor/listen/tuning.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int set_flag(int descriptor, int level, int option, int value)
{
    return setsockopt(descriptor, level, option, &value, sizeof(value));
}

/* One that not every kernel has. */
static int set_wanted(int descriptor, int level, int option, const char *name)
{
    if (set_flag(descriptor, level, option, 1) == 0)
        return 0;
    log_error("%s: %m", name);
    return -1;
}

/* What decides whether and how it can be bound. */
static int prepare(int descriptor, const struct listener_request *request)
{
    const char *device = request->device;

    if (set_flag(descriptor, SOL_SOCKET, SO_REUSEADDR, 1) != 0 ||
        (request->reuse_port &&
         set_wanted(descriptor, SOL_SOCKET, SO_REUSEPORT, "--reuse-port") != 0) ||
        /* It is the same flag for both families. */
        (request->free_bind && set_wanted(descriptor, IPPROTO_IP, IP_FREEBIND, "--free-bind") != 0))
        return -1;
    return device == NULL ? 0
                          : setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, device,
                                       (socklen_t)strlen(device) + 1);
}

/* With `ipv6_only` an IPv6 wildcard leaves IPv4 alone; otherwise it stands for both families,
 * whatever net.ipv6.bindv6only says. */
static int open_socket(const union address_socket *address, bool ipv6_only,
                       const struct listener_request *request)
{
    bool ipv6 = address->any.sa_family == AF_INET6;
    int descriptor = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error;

    if (descriptor < 0)
        return -1;
    if (prepare(descriptor, request) == 0 && tuning_apply(descriptor, request, false) == 0 &&
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

/* Who has it may be about to leave it. */
static int open_socket_patiently(const union address_socket *address, bool ipv6_only,
                                 const struct listener_request *request)
{
    int descriptor = open_socket(address, ipv6_only, request);

    if (descriptor >= 0 || errno != EADDRINUSE)
        return descriptor;
    departing_await();
    return open_socket(address, ipv6_only, request);
}

static int open_address(struct listeners *listeners, const union address_socket *address,
                        bool ipv6_only, const struct listener_request *request)
{
    struct listener listener = {.descriptor = -1};
    bool inherited = inherited_take_address(request, address, ipv6_only, &listener);
    char text[ADDRESS_DESCRIPTION];
    struct endpoint endpoint;

    if (!inherited)
        listener.descriptor = open_socket_patiently(address, ipv6_only, request);
    if (listener.descriptor >= 0 &&
        (!inherited || tuning_apply(listener.descriptor, request, listener.passed) == 0) &&
        listeners_add(listeners, listener) == 0)
        return 0;
    endpoint = address_endpoint(address);
    log_error("cannot listen on %s: %m", address_describe(&endpoint, text));
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
        return open_address(listeners, &ipv6, only_ipv6, request);
    return open_address(listeners, &ipv4, false, request);
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
                              (one_family && request->ipv6) || request->address_count > 1, request);
    }
    freeaddrinfo(found);
    return result;
}

int binding_open(struct listeners *listeners, const struct listener_request *request)
{
    if (request->device != NULL && if_nametoindex(request->device) == 0) {
        log_error("--bind-to-device: '%s': there is no such network interface", request->device);
        return -1;
    }
    if (request->address_count == 0)
        return open_any(listeners, request);
    for (size_t i = 0; i < request->address_count; i++)
        if (open_name(listeners, request->addresses[i], request) != 0)
            return -1;
    return 0;
}
