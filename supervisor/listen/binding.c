#include "supervisor/listen/binding.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/address.h"
#include "supervisor/base/backoff.h"
#include "supervisor/base/socket.h"
#include "supervisor/listen/unix_socket.h"
#include "supervisor/options/identity.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { METRICS_BACKLOG = 16 };

/* The parameters of binding_open(). */
struct opening {
    struct listeners *listeners;
    const struct options *options;
    struct listeners *given;
};

/* ---- options of a TCP socket ---- */

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

/* Sets the options that clients inherit.  A service manager may have set some for a passed socket:
 * they stay unless the command line asks for another value. */
static int tune(int descriptor, const struct options *options, bool passed)
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

/* ---- from an address to a socket ---- */

/* With `ipv6_only` an IPv6 wildcard leaves IPv4 alone; otherwise it stands for both families,
 * whatever net.ipv6.bindv6only says. */
static int open_socket(const struct addrinfo *place, bool ipv6_only, const struct options *options,
                       int backlog)
{
    int descriptor = socket(place->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error;

    if (descriptor < 0)
        return -1;
    if (prepare(descriptor, options) == 0 && tune(descriptor, options, false) == 0 &&
        (place->ai_family != AF_INET6 ||
         socket_set(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, ipv6_only) == 0) &&
        bind(descriptor, place->ai_addr, place->ai_addrlen) == 0 &&
        listen(descriptor, backlog) == 0)
        return descriptor;

    error = errno;
    (void)close(descriptor); /* the error that matters is the one before */
    errno = error;
    return -1;
}

/* Opens a socket at the first place where that is possible.  Returns it, or -1 after logging why
 * there is none at `what`. */
static int open_first(const char *what, const struct addrinfo *places, bool ipv6_only,
                      const struct options *options, int backlog)
{
    uint64_t until = 0;
    int descriptor = -1;

    do
        for (const struct addrinfo *each = places; each != NULL && descriptor < 0;
             each = each->ai_next)
            descriptor = open_socket(each, ipv6_only, options, backlog);
    while (descriptor < 0 && errno == EADDRINUSE && backoff_pause(&until, "%s", what));
    if (descriptor < 0)
        log_error("cannot listen on %s: %m", what);
    return descriptor;
}

static bool kernel_has_ipv6(void)
{
    int descriptor = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (descriptor < 0)
        return errno != EAFNOSUPPORT;
    (void)close(descriptor); /* it was only a test */
    return true;
}

/* Looks up a name; NULL: the wildcard, as one address: an IPv6 socket serves both families, and two
 * sockets would collide; without IPv6 in the kernel it is that of IPv4.  Returns the addresses, for
 * freeaddrinfo(); or NULL after logging why there are none for `what`. */
static struct addrinfo *look_up(const char *what, const char *name, const char *port, int family)
{
    struct addrinfo hints = {
        .ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found;
    int error;

    if (name == NULL && family == AF_UNSPEC)
        hints.ai_family = kernel_has_ipv6() ? AF_INET6 : AF_INET;
    error = getaddrinfo(name, port, &hints, &found);
    if (error == 0)
        return found;
    log_error("cannot listen on %s: %s", what,
              error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
    return NULL;
}

/* ---- sockets that another process opened ---- */

/* Takes a socket into service.  The other process shares its flags and options, but does not accept
 * from it now. */
static int adopt(const struct opening *opening, struct listener *given)
{
    int flags = fcntl(given->descriptor, F_GETFL);
    char text[LISTENER_TEXT];

    if (flags >= 0 && fcntl(given->descriptor, F_SETFL, flags | O_NONBLOCK) == 0 &&
        (given->path != NULL || tune(given->descriptor, opening->options, given->passed) == 0) &&
        listeners_add(opening->listeners, *given) == 0) {
        given->taken = true;
        return 0;
    }
    log_error("cannot listen on %s, passed as '%s': %m", listener_text(given, text),
              given->name == NULL ? "" : given->name);
    return -1;
}

static bool has_device(int descriptor, const char *device)
{
    char name[IFNAMSIZ] = "";
    socklen_t length = sizeof(name); /* the kernel requires this much, and adds a 0 */

    /* The length is 0 if the socket is bound to no device (socket(7)). */
    return getsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, name, &length) == 0 &&
           strcmp(name, device == NULL ? "" : device) == 0;
}

/* Reports whether the socket is one that open_socket() would open; port 0 is any port. */
static bool is_same(int descriptor, union address_socket wanted, bool ipv6_only, const char *device)
{
    union address_socket local;
    socklen_t length = sizeof(local);

    memset(&local, 0, sizeof(local));
    if (getsockname(descriptor, &local.any, &length) != 0 || !has_device(descriptor, device))
        return false;
    if (wanted.any.sa_family == AF_INET && wanted.ipv4.sin_port == 0)
        wanted.ipv4.sin_port = local.ipv4.sin_port;
    if (wanted.any.sa_family == AF_INET6 && wanted.ipv6.sin6_port == 0)
        wanted.ipv6.sin6_port = local.ipv6.sin6_port;
    return memcmp(&local.any, &wanted.any, length) == 0 &&
           (local.any.sa_family == AF_INET ||
            socket_get(descriptor, IPPROTO_IPV6, IPV6_V6ONLY) == ipv6_only);
}

static struct listener *find_address(const struct opening *opening,
                                     const union address_socket *address, bool ipv6_only)
{
    for (size_t i = 0; i < opening->given->count; i++) {
        struct listener *each = &opening->given->list[i];

        if (!each->taken && each->path == NULL &&
            is_same(each->descriptor, *address, ipv6_only, opening->options->device))
            return each;
    }
    return NULL;
}

/* ---- PORT is a port ---- */

static int open_address(const struct opening *opening, struct addrinfo place, bool ipv6_only)
{
    union address_socket address;
    struct endpoint endpoint;
    struct listener *given;
    struct listener listener = {0};
    char text[ADDRESS_DESCRIPTION];

    memset(&address, 0, sizeof(address));
    memcpy(&address, place.ai_addr, place.ai_addrlen);
    given = find_address(opening, &address, ipv6_only);
    if (given != NULL)
        return adopt(opening, given);
    endpoint = address_endpoint(&address);
    (void)address_describe(&endpoint, text);
    place.ai_next = NULL;
    listener.descriptor = open_first(text, &place, ipv6_only, opening->options, INT_MAX);
    if (listener.descriptor < 0)
        return -1;
    if (listeners_add(opening->listeners, listener) == 0)
        return 0;
    log_error("cannot listen on %s: %m", text);
    return -1;
}

/* A resolver gives an address twice if the hosts file names it for two families. */
static bool is_repeated(const struct addrinfo *first, const struct addrinfo *address)
{
    for (; first != address; first = first->ai_next)
        if (first->ai_addrlen == address->ai_addrlen &&
            memcmp(first->ai_addr, address->ai_addr, address->ai_addrlen) == 0)
            return true;
    return false;
}

/* Opens a listener for each address of a name; NULL: the wildcard. */
static int open_name(const struct opening *opening, const char *name)
{
    const struct options *options = opening->options;
    bool ipv4 = options->ipv4 && !options->ipv6;
    bool ipv6 = options->ipv6 && !options->ipv4;
    struct addrinfo *found;
    char port[8];
    int result = 0;

    (void)snprintf(port, sizeof(port), "%u", options->port);
    found = look_up(name == NULL ? "any address" : name, name, port,
                    ipv4   ? AF_INET
                    : ipv6 ? AF_INET6
                           : AF_UNSPEC);
    if (found == NULL)
        return -1;
    /* An IPv6 wildcard for both families would collide with other addresses. */
    for (const struct addrinfo *each = found; each != NULL && result == 0; each = each->ai_next)
        if (!is_repeated(found, each))
            result = open_address(opening, *each, ipv6 || options->address_count > 1);
    freeaddrinfo(found);
    return result;
}

static int open_tcp(const struct opening *opening)
{
    const struct options *options = opening->options;

    if (options->device != NULL && if_nametoindex(options->device) == 0) {
        log_error("--bind-to-device: '%s': there is no such network interface", options->device);
        return -1;
    }
    if (options->address_count == 0)
        return open_name(opening, NULL);
    for (size_t i = 0; i < options->address_count; i++)
        if (open_name(opening, options->addresses[i]) != 0)
            return -1;
    return 0;
}

/* ---- PORT is a Unix socket ---- */

static int open_unix(const struct opening *opening)
{
    const struct options *options = opening->options;
    const char *path = options->unix_path;
    mode_t mode = options->socket_mode.given ? options->socket_mode.bits : UNIX_SOCKET_MODE;
    struct identity owner = {.user = (uid_t)-1, .group = (gid_t)-1};
    struct listener listener = {0};

    /* Also if it is not needed now: the next start from nothing must not be the first to fail. */
    if (options->socket_owner != NULL &&
        !identity_of_owner(&owner, "--socket-owner", options->socket_owner))
        return -1;
    for (size_t i = 0; i < opening->given->count; i++) {
        struct listener *given = &opening->given->list[i];

        if (!given->taken && given->path != NULL && strcmp(given->path, path) == 0) {
            identity_free(&owner);
            return adopt(opening, given);
        }
    }
    listener.descriptor = unix_socket_open("PORT", path, mode, owner.user, owner.group);
    identity_free(&owner);
    if (listener.descriptor < 0)
        return -1;
    if (listeners_add(opening->listeners, listener) == 0)
        return 0;
    log_error("cannot listen on unix:%s: %m", path);
    (void)unlink(path); /* why the socket does not serve was logged */
    return -1;
}

/* ---- PORT is "systemd" ---- */

static int open_passed(const struct opening *opening)
{
    for (size_t i = 0; i < opening->given->count; i++)
        if (!opening->given->list[i].taken && adopt(opening, &opening->given->list[i]) != 0)
            return -1;
    if (opening->given->count > 0)
        return 0;
    log_error("PORT: 'systemd': no socket was passed to this process: LISTEN_FDS is not in its "
              "environment; start it from the service manager, with a socket unit");
    return -1;
}

int binding_open(struct listeners *listeners, const struct options *options,
                 struct listeners *given)
{
    const struct opening opening = {listeners, options, given};

    *listeners = (struct listeners){0};
    switch (options->place) {
    case OPTIONS_SYSTEMD:
        return open_passed(&opening);
    case OPTIONS_UNIX:
        return open_unix(&opening);
    default:
        return open_tcp(&opening);
    }
}

/* ---- who may come ---- */

/* A name may stand for addresses of both families. */
static bool may_be_ipv6(const struct options *options)
{
    struct in_addr address;

    if (options->ipv4 && !options->ipv6)
        return false;
    for (size_t i = 0; i < options->address_count; i++)
        if (inet_pton(AF_INET, options->addresses[i], &address) != 1)
            return true;
    return options->address_count == 0;
}

struct setup_clients binding_clients(const struct options *options, const struct listeners *passed)
{
    struct setup_clients clients = {0};

    if (options->place == OPTIONS_TCP)
        clients.tcp = may_be_ipv6(options) ? AF_INET6 : AF_INET;
    else if (options->place == OPTIONS_UNIX)
        clients.path = (uint32_t)strlen(options->unix_path);
    for (size_t i = 0; i < passed->count; i++) {
        const struct listener *each = &passed->list[i];
        uint32_t length = each->path == NULL ? 0 : (uint32_t)strlen(each->path);

        if (each->path == NULL && clients.tcp != AF_INET6)
            clients.tcp = each->local.family;
        if (length > clients.path)
            clients.path = length;
    }
    return clients;
}

/* ---- --metrics ---- */

int binding_open_metrics(const char *word)
{
    static const struct options none; /* options of PORT do not apply */
    const char *colon = strrchr(word, ':');
    int brackets = *word == '[';
    char host[NI_MAXHOST];
    char what[NI_MAXHOST + NI_MAXSERV];
    struct addrinfo *found;
    struct endpoint local;
    char text[ADDRESS_DESCRIPTION];
    int descriptor;

    (void)snprintf(what, sizeof(what), "%s (--metrics)", word);
    (void)snprintf(host, sizeof(host), "%.*s", (int)(colon - word) - 2 * brackets, word + brackets);
    found = look_up(what, colon == word ? NULL : host, colon + 1, AF_UNSPEC);
    if (found == NULL)
        return -1;
    descriptor = open_first(what, found, false, &none, METRICS_BACKLOG);
    freeaddrinfo(found);
    if (descriptor < 0)
        return -1;
    if (address_of_socket(descriptor, &local) == 0)
        log_info("metrics on %s", address_describe(&local, text));
    else
        log_warning("cannot find out the address of the metrics port: %m; going on");
    return descriptor;
}
