#include "supervisor/listen/tcp_socket.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/socket.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

/* The longest time until a vanished peer is found, which clients inherit.  The default of the
 * system is more than two hours (tcp(7)); an administrator may have chosen less. */
static const struct {
    int option;
    int most;
} keepalive[] = {
    {.option = TCP_KEEPIDLE, .most = 60},  /* seconds of silence before the first probe */
    {.option = TCP_KEEPINTVL, .most = 10}, /* seconds between two probes */
    {.option = TCP_KEEPCNT, .most = 6},    /* probes without an answer */
};

static int set_keepalive(int descriptor)
{
    if (socket_set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1) != 0)
        return -1;
    for (size_t i = 0; i < sizeof(keepalive) / sizeof(*keepalive); i++) {
        int value = socket_get(descriptor, IPPROTO_TCP, keepalive[i].option);

        if (value < 0 ||
            (value > keepalive[i].most &&
             socket_set(descriptor, IPPROTO_TCP, keepalive[i].option, keepalive[i].most) != 0))
            return -1;
    }
    return 0;
}

/* Rounds up to whole seconds. */
static int seconds(uint64_t microseconds)
{
    const uint64_t second = 1000000;

    return (int)((microseconds + second - 1) / second); /* a year at most */
}

int tcp_socket_tune(int descriptor, const struct options *options, bool passed)
{
    if (set_keepalive(descriptor) != 0)
        return -1;
    if ((options->no_delay || !passed) &&
        socket_set(descriptor, IPPROTO_TCP, TCP_NODELAY, options->no_delay) != 0)
        return -1;
    if (options->defer_accept == 0 && passed)
        return 0;
    return socket_set(descriptor, IPPROTO_TCP, TCP_DEFER_ACCEPT, seconds(options->defer_accept));
}

/* Sets an option that some kernels lack. */
static int set_wanted(int descriptor, int level, int option, const char *name)
{
    if (socket_set(descriptor, level, option, 1) == 0)
        return 0;
    log_error("%s: %m", name);
    return -1;
}

/* Sets the options that decide where the socket can be bound. */
static int prepare(int descriptor, const struct options *options)
{
    const char *device = options->device;

    if (socket_set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1) != 0 ||
        (options->reuse_port &&
         set_wanted(descriptor, SOL_SOCKET, SO_REUSEPORT, "--reuse-port") != 0) ||
        /* The option is the same for both families. */
        (options->free_bind && set_wanted(descriptor, IPPROTO_IP, IP_FREEBIND, "--free-bind") != 0))
        return -1;
    return device == NULL ? 0
                          : setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, device,
                                       (socklen_t)strlen(device) + 1);
}

int tcp_socket_open(const struct lookup_address *place, bool ipv6_only,
                    const struct options *options, int backlog)
{
    int family = place->address.any.sa_family;
    int descriptor = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error;

    if (descriptor < 0)
        return -1;
    if (prepare(descriptor, options) == 0 && tcp_socket_tune(descriptor, options, false) == 0 &&
        (family != AF_INET6 || socket_set(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, ipv6_only) == 0) &&
        bind(descriptor, &place->address.any, place->length) == 0 &&
        (backlog == TCP_SOCKET_BOUND || listen(descriptor, backlog) == 0))
        return descriptor;

    error = errno;
    (void)close(descriptor); /* the error that matters is the one before */
    errno = error;
    return -1;
}

int tcp_socket_try(const struct lookup_address *place, bool ipv6_only,
                   const struct options *options)
{
    int descriptor = tcp_socket_open(place, ipv6_only, options, TCP_SOCKET_BOUND);

    if (descriptor < 0)
        return errno == EADDRINUSE ? 0 : errno;
    (void)close(descriptor); /* nobody could connect to it */
    return 0;
}
