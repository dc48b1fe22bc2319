#include "supervisor/listen/binding.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/retry.h"
#include "supervisor/base/socket.h"
#include "supervisor/listen/unix_socket.h"
#include "supervisor/options/identity.h"

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
    const struct listeners *passed;
    const struct inherited *inherited;
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
static int open_socket(const union address_socket *address, bool ipv6_only,
                       const struct options *options, int backlog)
{
    bool ipv6 = address->any.sa_family == AF_INET6;
    int descriptor = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error;

    if (descriptor < 0)
        return -1;
    if (prepare(descriptor, options) == 0 && tune(descriptor, options, false) == 0 &&
        (!ipv6 || socket_set(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, ipv6_only) == 0) &&
        bind(descriptor, &address->any, ipv6 ? sizeof(address->ipv6) : sizeof(address->ipv4)) ==
            0 &&
        listen(descriptor, backlog) == 0)
        return descriptor;

    error = errno;
    (void)close(descriptor); /* the error that matters is the one before */
    errno = error;
    return -1;
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
 * sockets would collide; without IPv6 in the kernel it is that of IPv4.  Returns NULL and the
 * addresses, for freeaddrinfo(); or why there are none. */
static const char *look_up(const char *name, const char *port, int family, struct addrinfo **found)
{
    struct addrinfo hints = {
        .ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    int error;

    if (name == NULL && family == AF_UNSPEC)
        hints.ai_family = kernel_has_ipv6() ? AF_INET6 : AF_INET;
    error = getaddrinfo(name, port, &hints, found);
    if (error == 0)
        return NULL;
    return error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error);
}

static union address_socket address_found(const struct addrinfo *found)
{
    union address_socket address;

    memset(&address, 0, sizeof(address));
    memcpy(&address, found->ai_addr,
           found->ai_addrlen < sizeof(address) ? found->ai_addrlen : sizeof(address));
    return address;
}

/* ---- PORT is a port ---- */

static int open_address(const struct opening *opening, const union address_socket *address,
                        bool ipv6_only)
{
    const struct options *options = opening->options;
    const struct inherited_wish wish = {
        .address = address, .ipv6_only = ipv6_only, .device = options->device};
    struct endpoint endpoint = address_endpoint(address);
    struct listener listener = {.descriptor = -1};
    bool inherited = inherited_take(opening->inherited, &wish, &listener);
    struct retry retry = {0};
    char text[ADDRESS_DESCRIPTION];

    if (!inherited)
        do
            listener.descriptor = open_socket(address, ipv6_only, options, INT_MAX);
        while (listener.descriptor < 0 && errno == EADDRINUSE &&
               retry_pause(&retry, "%s", address_describe(&endpoint, text)));
    if (listener.descriptor >= 0 &&
        (!inherited || tune(listener.descriptor, options, listener.passed) == 0) &&
        listeners_add(opening->listeners, listener) == 0)
        return 0;
    log_error("cannot listen on %s: %m", address_describe(&endpoint, text));
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
    int family = ipv4 ? AF_INET : ipv6 ? AF_INET6 : AF_UNSPEC;
    struct addrinfo *found;
    char port[8];
    const char *why;
    int result = 0;

    (void)snprintf(port, sizeof(port), "%u", options->port);
    why = look_up(name, port, family, &found);
    if (why != NULL) {
        log_error("cannot listen on %s: %s", name == NULL ? "any address" : name, why);
        return -1;
    }
    for (const struct addrinfo *each = found; each != NULL && result == 0; each = each->ai_next) {
        union address_socket address = address_found(each);

        /* An IPv6 wildcard for both families would collide with other addresses. */
        if (!is_repeated(found, each))
            result = open_address(opening, &address, ipv6 || options->address_count > 1);
    }
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

static int make_unix(const struct options *options)
{
    mode_t mode = options->socket_mode.given ? options->socket_mode.bits : unix_socket_mode();
    struct identity owner;
    int descriptor;

    if (options->socket_owner == NULL)
        return unix_socket_open("PORT", options->unix_path, mode, (uid_t)-1, (gid_t)-1);
    if (!identity_of_owner(&owner, "--socket-owner", options->socket_owner))
        return -1;
    descriptor = unix_socket_open("PORT", options->unix_path, mode, owner.user, owner.group);
    identity_free(&owner);
    return descriptor;
}

static int open_unix(const struct opening *opening)
{
    const char *path = opening->options->unix_path;
    struct listener listener = {.path = path};
    bool inherited =
        inherited_take(opening->inherited, &(struct inherited_wish){.path = path}, &listener);

    if (!inherited)
        listener.descriptor = make_unix(opening->options);
    if (listener.descriptor < 0)
        return -1;
    if (listeners_add(opening->listeners, listener) == 0)
        return 0;
    log_error("cannot listen on unix:%s: %m", path);
    if (!inherited)
        (void)unlink(path); /* why the socket does not serve was logged */
    return -1;
}

/* ---- PORT is "systemd" ---- */

/* The manager shares the flags and options of the socket, but does not accept from it now. */
static int prepare_passed(const struct listener *listener, const struct options *options)
{
    int flags = fcntl(listener->descriptor, F_GETFL);

    if (flags < 0 || fcntl(listener->descriptor, F_SETFL, flags | O_NONBLOCK) != 0)
        return -1;
    return listener->path != NULL ? 0 : tune(listener->descriptor, options, true);
}

static int add_passed(const struct opening *opening, const struct listener *listener)
{
    char text[LISTENER_TEXT];

    if (prepare_passed(listener, opening->options) == 0 &&
        listeners_add(opening->listeners, *listener) == 0)
        return 0;
    log_error("cannot listen on %s, passed as '%s': %m", listener_text(listener, text),
              listener->name == NULL ? "" : listener->name);
    return -1;
}

static int open_passed(const struct opening *opening)
{
    const struct inherited_wish any = {0};
    struct listener listener;

    for (size_t i = 0; i < opening->passed->count; i++)
        if (add_passed(opening, &opening->passed->list[i]) != 0)
            return -1;
    while (opening->passed->count == 0 && inherited_take(opening->inherited, &any, &listener))
        if (add_passed(opening, &listener) != 0)
            return -1;
    if (opening->listeners->count > 0)
        return 0;
    log_error("PORT: 'systemd': no socket was passed to this process: LISTEN_FDS is not in its "
              "environment; start it from the service manager, with a socket unit");
    return -1;
}

int binding_open(struct listeners *listeners, const struct options *options,
                 const struct listeners *passed, const struct inherited *inherited)
{
    const struct opening opening = {listeners, options, passed, inherited};

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

/* ---- --metrics ---- */

static int open_first(const struct addrinfo *found)
{
    static const struct options none; /* options of PORT do not apply */
    int descriptor = -1;

    for (const struct addrinfo *each = found; each != NULL && descriptor < 0;
         each = each->ai_next) {
        union address_socket address = address_found(each);

        descriptor = open_socket(&address, false, &none, METRICS_BACKLOG);
    }
    return descriptor;
}

static void report_metrics(int descriptor)
{
    struct endpoint local;
    char text[INET6_ADDRSTRLEN];

    if (address_of_socket(descriptor, &local) == 0)
        log_info("metrics on %s port %u", address_text(&local, text), local.port);
    else
        log_warning("cannot find out the address of the metrics port: %m; going on");
}

int binding_open_metrics(const char *word)
{
    const char *colon = strrchr(word, ':');
    size_t brackets = *word == '[';
    char *host = strndup(word + brackets, (size_t)(colon - word) - 2 * brackets);
    struct retry retry = {0};
    struct addrinfo *found;
    const char *why;
    int descriptor;

    if (host == NULL) {
        log_error("--metrics %s: %m", word);
        return -1;
    }
    why = look_up(colon == word ? NULL : host, colon + 1, AF_UNSPEC, &found);
    free(host);
    if (why != NULL) {
        log_error("--metrics %s: cannot listen there: %s", word, why);
        return -1;
    }
    do
        descriptor = open_first(found);
    while (descriptor < 0 && errno == EADDRINUSE && retry_pause(&retry, "--metrics %s", word));
    if (descriptor >= 0)
        report_metrics(descriptor);
    else
        log_error("--metrics %s: cannot listen there: %m", word);
    freeaddrinfo(found);
    return descriptor;
}
