#include "supervisor/listen/listener.h"

#include "supervisor/base/address.h"
#include "supervisor/listen/unix_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Of a Unix socket, by its name; NULL for want of memory. */
static const char *path_of(int descriptor)
{
    struct sockaddr_un address = {0};
    socklen_t length = sizeof(address);
    char path[sizeof(address.sun_path) + 2];

    /* A socket that listens has a name.  One that is abstract begins with 0 (unix(7)). */
    if (getsockname(descriptor, (struct sockaddr *)&address, &length) != 0)
        return NULL;
    (void)snprintf(path, sizeof(path), "%s%.*s", address.sun_path[0] == '\0' ? "@" : "",
                   (int)sizeof(address.sun_path) - 1,
                   address.sun_path + (address.sun_path[0] == '\0'));
    return strdup(path);
}

int listeners_add(struct listeners *listeners, struct listener listener)
{
    struct listener *list = realloc(listeners->list, (listeners->count + 1) * sizeof(*list));

    if (list == NULL)
        return -1;
    listeners->list = list;
    if (address_of_socket(listener.descriptor, &listener.local) != 0)
        return -1;
    if (listener.local.family == AF_UNIX && listener.path == NULL &&
        (listener.path = path_of(listener.descriptor)) == NULL)
        return -1;
    list[listeners->count++] = listener;
    return 0;
}

int listener_accept(const struct listener *listener, struct endpoint *remote)
{
    union address_socket address;
    socklen_t length = sizeof(address);
    int descriptor = accept4(listener->descriptor, &address.any, &length, SOCK_CLOEXEC);

    if (descriptor < 0)
        return -1;
    *remote = address_endpoint(&address);
    if (remote->family == AF_UNIX)
        *remote = address_of_peer(descriptor);
    return descriptor;
}

bool listener_is_shut_down(const struct listener *listener)
{
    return listener->local.family == AF_UNIX && unix_socket_is_shut_down(listener->descriptor);
}

/* Of a listening socket of TCP, the unacknowledged are those not accepted yet (net/ipv4/tcp.c,
 * tcp_get_info()). */
static uint32_t backlog(const struct listener *listener)
{
    struct tcp_info information;
    socklen_t length = sizeof(information);

    if (listener->local.family == AF_UNIX)
        return LISTENER_BACKLOG_UNKNOWN;
    /* One that was passed may be of a kind that is not quite TCP; and even for another a policy of
     * the system (bpf(2), BPF_CGROUP_GETSOCKOPT) may fail. */
    if (getsockopt(listener->descriptor, IPPROTO_TCP, TCP_INFO, &information, &length) == 0)
        return information.tcpi_unacked;
    return LISTENER_BACKLOG_UNKNOWN;
}

uint32_t listener_stop(const struct listener *listener)
{
    /* Neither can fail on a socket that listens: listen(2) sets the backlog anew then, and who
     * connects to a Unix socket that is shut down is refused (net/unix/af_unix.c,
     * unix_stream_connect()). */
    if (!listener->passed && listener->local.family == AF_UNIX)
        (void)shutdown(listener->descriptor, SHUT_RD);
    else if (!listener->passed)
        (void)listen(listener->descriptor, 0);
    return backlog(listener);
}

void listener_close(struct listener *listener)
{
    if (listener->descriptor >= 0)
        (void)close(listener->descriptor);
    listener->descriptor = -1;
}

const char *listener_text(const struct listener *listener, char text[LISTENER_TEXT])
{
    char address[ADDRESS_DESCRIPTION];

    if (listener->path != NULL)
        (void)snprintf(text, LISTENER_TEXT, "unix:%s", listener->path);
    else
        (void)snprintf(text, LISTENER_TEXT, "%s", address_describe(&listener->local, address));
    return text;
}
