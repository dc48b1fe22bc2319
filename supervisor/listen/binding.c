#include "supervisor/listen/binding.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/address.h"
#include "supervisor/base/backoff.h"
#include "supervisor/base/lookup.h"
#include "supervisor/base/parse.h"
#include "supervisor/base/socket.h"
#include "supervisor/listen/tcp_socket.h"
#include "supervisor/listen/unix_socket.h"
#include "supervisor/options/identity.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { METRICS_BACKLOG = 16, METRICS_NAME = NI_MAXHOST + NI_MAXSERV };

/* The parameters of binding_open(). */
struct opening {
    struct listeners *listeners; /* NULL: only look whether listeners could be opened */
    const struct options *options;
    struct listeners *given;
};

/* ---- from an address to a socket ---- */

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
        (given->path != NULL ||
         tcp_socket_tune(given->descriptor, opening->options, given->passed) == 0) &&
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

/* Reports whether the socket is one that tcp_socket_open() would open; port 0 is any port. */
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

/* Opens a socket at an address.  Returns 0 or an errno. */
static int open_listener(const struct opening *opening, const struct lookup_address *place,
                         bool ipv6_only, const char *text)
{
    struct listener listener = {0};
    uint64_t until = 0;

    do
        listener.descriptor = tcp_socket_open(place, ipv6_only, opening->options, INT_MAX);
    while (listener.descriptor < 0 && errno == EADDRINUSE && backoff_pause(&until, "%s", text));
    return listener.descriptor >= 0 && listeners_add(opening->listeners, listener) == 0 ? 0 : errno;
}

/* Opens a listener at an address.  Returns 0, also if the address cannot be had: then sets its
 * error.  Returns -1 after logging another error. */
static int open_address(const struct opening *opening, struct lookup_address *place, bool ipv6_only)
{
    struct listener *given = find_address(opening, &place->address, ipv6_only);
    char text[ADDRESS_DESCRIPTION];
    int error;

    if (given != NULL)
        return adopt(opening, given);
    (void)describe(place, text);
    error = opening->listeners == NULL ? tcp_socket_try(place, ipv6_only, opening->options)
                                       : open_listener(opening, place, ipv6_only, text);
    if (is_lacking(error))
        place->error = error;
    if (error == 0 || is_lacking(error))
        return 0;
    errno = error;
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
    if (opening->listeners == NULL) {
        bool right = unix_socket_check("PORT", path, owner.user);

        identity_free(&owner);
        return right ? 0 : -1;
    }
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
    if (opening->listeners == NULL)
        return 0; /* passed_read() has examined those that were passed */
    for (size_t i = 0; i < opening->given->count; i++)
        if (!opening->given->list[i].taken && adopt(opening, &opening->given->list[i]) != 0)
            return -1;
    if (opening->given->count > 0)
        return 0;
    log_error("PORT: 'systemd': no socket was passed to this process: LISTEN_FDS is not in its "
              "environment; start it from the service manager, with a socket unit");
    return -1;
}

static int open_all(const struct opening *opening)
{
    switch (opening->options->place) {
    case OPTIONS_SYSTEMD:
        return open_passed(opening);
    case OPTIONS_UNIX:
        return open_unix(opening);
    default:
        return open_tcp(opening);
    }
}

int binding_open(struct listeners *listeners, const struct options *options,
                 struct listeners *given)
{
    *listeners = (struct listeners){0};
    return open_all(&(struct opening){listeners, options, given});
}

bool binding_check(const struct options *options)
{
    struct listeners none = {0};

    return open_all(&(struct opening){NULL, options, &none}) == 0;
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

static const struct options none; /* the options of PORT do not apply */

/* Opens a socket at the first address where that is possible.  Returns it, or -1 after logging why
 * there is none at `what`. */
static int open_first(struct lookup *found, const char *what)
{
    uint64_t until = 0;
    int descriptor = -1;
    bool in_use;

    do {
        in_use = false;
        for (size_t i = 0; i < found->count && descriptor < 0; i++) {
            descriptor = tcp_socket_open(&found->list[i], false, &none, METRICS_BACKLOG);
            found->list[i].error = descriptor < 0 ? errno : 0;
            in_use = in_use || found->list[i].error == EADDRINUSE;
        }
    } while (descriptor < 0 && in_use && backoff_pause(&until, "%s", what));
    if (descriptor < 0)
        report(found, what, false);
    return descriptor;
}

/* Looks up the addresses that the word names, and writes a name of the whole for messages. */
static bool look_up_metrics(const char *word, struct lookup *found, char what[METRICS_NAME])
{
    const char *colon = strrchr(word, ':');
    int brackets = *word == '[';
    char host[NI_MAXHOST];
    uint64_t port = 0;

    (void)snprintf(what, METRICS_NAME, "%s (--metrics)", word);
    (void)snprintf(host, sizeof(host), "%.*s", (int)(colon - word) - 2 * brackets, word + brackets);
    (void)parse_number(colon + 1, UINT16_MAX, &port); /* value_metrics() has checked it */
    return look_up(found, what, colon == word ? NULL : host, (uint16_t)port, AF_UNSPEC);
}

bool binding_check_metrics(const char *word)
{
    char what[METRICS_NAME];
    struct lookup found;
    bool right = false;

    if (!look_up_metrics(word, &found, what))
        return false;
    for (size_t i = 0; i < found.count && !right; i++) {
        found.list[i].error = tcp_socket_try(&found.list[i], false, &none);
        right = found.list[i].error == 0;
    }
    if (!right)
        report(&found, what, false);
    lookup_free(&found);
    return right;
}

int binding_open_metrics(const char *word)
{
    char what[METRICS_NAME];
    struct lookup found;
    struct endpoint local;
    char text[ADDRESS_DESCRIPTION];
    int descriptor;

    if (!look_up_metrics(word, &found, what))
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
