#include "supervisor/listen/binding.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/address.h"
#include "supervisor/base/backoff.h"
#include "supervisor/base/lookup.h"
#include "supervisor/base/parse.h"
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
static int open_socket(const struct lookup_address *place, bool ipv6_only,
                       const struct options *options, int backlog)
{
    int family = place->address.any.sa_family;
    int descriptor = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error;

    if (descriptor < 0)
        return -1;
    if (prepare(descriptor, options) == 0 && tune(descriptor, options, false) == 0 &&
        (family != AF_INET6 || socket_set(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, ipv6_only) == 0) &&
        bind(descriptor, &place->address.any, place->length) == 0 &&
        listen(descriptor, backlog) == 0)
        return descriptor;

    error = errno;
    (void)close(descriptor); /* the error that matters is the one before */
    errno = error;
    return -1;
}

/* Reports whether the machine lacks the address, or the kernel its family: IPv6 may be switched
 * off, not built in, or forbidden by a filter of system calls. */
static bool is_lacking(int error)
{
    return error == EADDRNOTAVAIL || error == EAFNOSUPPORT || error == EPFNOSUPPORT ||
           error == EPROTONOSUPPORT || error == ESOCKTNOSUPPORT || error == ENODEV ||
           error == EPERM;
}

static const char *describe(const struct lookup_address *place, char text[ADDRESS_DESCRIPTION])
{
    struct endpoint endpoint = address_endpoint(&place->address);

    return address_describe(&endpoint, text);
}

/* Logs why addresses of `what` could not be had: as warnings if others could. */
static void report(const struct lookup *found, const char *what, bool others)
{
    char text[ADDRESS_DESCRIPTION];

    for (size_t i = 0; i < found->count; i++) {
        errno = found->list[i].error;
        if (errno != 0 && found->count == 1)
            log_error("cannot listen on %s: %m", what);
        else if (errno != 0)
            log_write(others ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR,
                      "cannot listen on %s, an address of %s: %m%s",
                      describe(&found->list[i], text), what,
                      others ? "; going on with the other addresses" : "");
    }
}

static bool kernel_has_ipv6(void)
{
    int descriptor = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (descriptor < 0)
        return !is_lacking(errno);
    (void)close(descriptor); /* it was only a test */
    return true;
}

/* Looks up a name; NULL: the wildcard, as one address: an IPv6 socket serves both families, and two
 * sockets would collide; without IPv6 in the kernel it is that of IPv4.  Returns false after
 * logging why there are no addresses for `what`. */
static bool look_up(struct lookup *found, const char *what, const char *name, uint16_t port,
                    int family)
{
    const char *error;

    if (name == NULL && family == AF_UNSPEC)
        family = kernel_has_ipv6() ? AF_INET6 : AF_INET;
    error = lookup_name(found, name, port, family);
    if (error != NULL)
        log_error("cannot listen on %s: %s", what, error);
    return error == NULL;
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

/* Opens a listener at an address.  Returns 0, also if the address cannot be had: then sets its
 * error.  Returns -1 after logging another error. */
static int open_address(const struct opening *opening, struct lookup_address *place, bool ipv6_only)
{
    struct listener *given = find_address(opening, &place->address, ipv6_only);
    struct listener listener = {0};
    uint64_t until = 0;
    char text[ADDRESS_DESCRIPTION];

    if (given != NULL)
        return adopt(opening, given);
    (void)describe(place, text);
    do
        listener.descriptor = open_socket(place, ipv6_only, opening->options, INT_MAX);
    while (listener.descriptor < 0 && errno == EADDRINUSE && backoff_pause(&until, "%s", text));
    if (listener.descriptor >= 0 && listeners_add(opening->listeners, listener) == 0)
        return 0;
    if (listener.descriptor < 0 && is_lacking(errno)) {
        place->error = errno;
        return 0;
    }
    log_error("cannot listen on %s: %m", text);
    return -1;
}

/* Opens a listener for each address that can be had.  Returns 0, or -1 after logging why there is
 * none. */
static int open_addresses(const struct opening *opening, struct lookup *found, const char *what)
{
    const struct options *options = opening->options;
    bool ipv6_only = options->ipv6 && !options->ipv4;
    char text[ADDRESS_DESCRIPTION];
    size_t lacking = 0;

    for (size_t i = 0; i < found->count; i++) {
        /* An IPv6 wildcard for both families would collide with other addresses. */
        if (open_address(opening, &found->list[i], ipv6_only || options->address_count > 1) != 0)
            return -1;
        lacking += found->list[i].error != 0;
    }
    report(found, found->count == 1 ? describe(&found->list[0], text) : what,
           lacking < found->count);
    return lacking < found->count ? 0 : -1;
}

/* Opens listeners for the addresses of a name; NULL: the wildcard. */
static int open_name(const struct opening *opening, const char *name)
{
    const struct options *options = opening->options;
    int family = options->ipv4 == options->ipv6 ? AF_UNSPEC : options->ipv4 ? AF_INET : AF_INET6;
    const char *what = name == NULL ? "any address" : name;
    struct lookup found;
    int result;

    if (!look_up(&found, what, name, options->port, family))
        return -1;
    result = open_addresses(opening, &found, what);
    lookup_free(&found);
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

/* Opens a socket at the first address where that is possible.  Returns it, or -1 after logging why
 * there is none at `what`. */
static int open_first(struct lookup *found, const char *what)
{
    static const struct options none; /* options of PORT do not apply */
    uint64_t until = 0;
    int descriptor = -1;
    bool in_use;

    do {
        in_use = false;
        for (size_t i = 0; i < found->count && descriptor < 0; i++) {
            descriptor = open_socket(&found->list[i], false, &none, METRICS_BACKLOG);
            found->list[i].error = descriptor < 0 ? errno : 0;
            in_use = in_use || found->list[i].error == EADDRINUSE;
        }
    } while (descriptor < 0 && in_use && backoff_pause(&until, "%s", what));
    if (descriptor < 0)
        report(found, what, false);
    return descriptor;
}

int binding_open_metrics(const char *word)
{
    const char *colon = strrchr(word, ':');
    int brackets = *word == '[';
    char host[NI_MAXHOST];
    char what[NI_MAXHOST + NI_MAXSERV];
    uint64_t port = 0;
    struct lookup found;
    struct endpoint local;
    char text[ADDRESS_DESCRIPTION];
    int descriptor;

    (void)snprintf(what, sizeof(what), "%s (--metrics)", word);
    (void)snprintf(host, sizeof(host), "%.*s", (int)(colon - word) - 2 * brackets, word + brackets);
    (void)parse_number(colon + 1, UINT16_MAX, &port); /* value_metrics() has checked it */
    if (!look_up(&found, what, colon == word ? NULL : host, (uint16_t)port, AF_UNSPEC))
        return -1;
    descriptor = open_first(&found, what);
    lookup_free(&found);
    if (descriptor < 0)
        return -1;
    if (address_of_socket(descriptor, &local) == 0)
        log_info("metrics on %s", address_describe(&local, text));
    else
        log_warning("cannot find out the address of the metrics port: %m; going on");
    return descriptor;
}
