#include "supervisor/listen/metrics_socket.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/address.h"
#include "supervisor/keeper/departing.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { BACKLOG = 16 };

struct place {
    char host[NI_MAXHOST];
    const char *port;
    bool everywhere; /* no host */
};

static int begin_to_listen(int descriptor, const struct addrinfo *address)
{
    const int yes = 1;
    const int no = 0;

    if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0)
        return -1;
    /* The wildcard stands for both families, whatever net.ipv6.bindv6only says. */
    if (address->ai_family == AF_INET6 &&
        setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no)) != 0)
        return -1;
    if (bind(descriptor, address->ai_addr, address->ai_addrlen) != 0)
        return -1;
    return listen(descriptor, BACKLOG);
}

static int listen_at(const struct addrinfo *address)
{
    int descriptor =
        socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    int error;

    if (descriptor < 0 || begin_to_listen(descriptor, address) == 0)
        return descriptor;
    error = errno;
    (void)close(descriptor); /* the error that matters is the one before */
    errno = error;
    return -1;
}

/* Of the addresses of a name the first that can be had.  Returns a descriptor; or -1 after setting
 * `*why`, or errno. */
static int listen_in_family(const struct place *place, int family, const char **why)
{
    const struct addrinfo hints = {
        .ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found;
    int descriptor = -1;
    int error = getaddrinfo(place->everywhere ? NULL : place->host, place->port, &hints, &found);

    if (error != 0) {
        if (error != EAI_SYSTEM)
            *why = gai_strerror(error);
        return -1;
    }
    for (const struct addrinfo *each = found; each != NULL && descriptor < 0; each = each->ai_next)
        descriptor = listen_at(each);
    error = errno;
    freeaddrinfo(found);
    errno = error;
    return descriptor;
}

/* One socket of IPv6 serves all addresses of both families; where the kernel has no IPv6, one of
 * IPv4 serves alone. */
static int listen_everywhere(const struct place *place, const char **why)
{
    int descriptor = listen_in_family(place, AF_INET6, why);

    if (descriptor >= 0 || (*why == NULL && errno != EAFNOSUPPORT))
        return descriptor;
    *why = NULL;
    return listen_in_family(place, AF_INET, why);
}

static int listen_at_place(const struct place *place, const char **why)
{
    return place->everywhere ? listen_everywhere(place, why)
                             : listen_in_family(place, AF_UNSPEC, why);
}

/* Returns false if the word is no place. */
static bool find_place(struct place *place, const char *word)
{
    const char *colon = strrchr(word, ':');
    size_t length = colon != NULL ? (size_t)(colon - word) : 0;
    bool bracketed = length >= 2 && word[0] == '[' && colon[-1] == ']';

    if (colon == NULL || length >= sizeof(place->host))
        return false;
    place->port = colon + 1;
    place->everywhere = length == 0;
    length -= bracketed ? 2 : 0;
    memcpy(place->host, word + bracketed, length);
    place->host[length] = '\0';
    return true;
}

static void report(int descriptor)
{
    struct endpoint local;
    char text[INET6_ADDRSTRLEN];

    if (address_of_socket(descriptor, &local) == 0)
        log_info("metrics on %s port %u", address_text(&local, text), local.port);
    else
        log_warning("cannot find out where there are metrics: %m");
}

int metrics_socket_open(const char *word)
{
    const char *why = NULL;
    struct place place;
    int descriptor;

    if (!find_place(&place, word)) {
        log_error("--metrics %s: expected ADDRESS:PORT", word);
        return -1;
    }
    descriptor = listen_at_place(&place, &why);
    if (descriptor < 0 && why == NULL && errno == EADDRINUSE) {
        departing_await(); /* who has it may be about to leave it */
        descriptor = listen_at_place(&place, &why);
    }
    if (descriptor >= 0)
        report(descriptor);
    else if (why != NULL)
        log_error("--metrics %s: cannot listen there: %s", word, why);
    else
        log_error("--metrics %s: cannot listen there: %m", word);
    return descriptor;
}
