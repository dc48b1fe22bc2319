#include "supervisor/listen/listener.h"

#include "dispatcher/shared/interrupter.h"
#include "dispatcher/shared/log.h"
#include "supervisor/base/address.h"

#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef SO_MEMINFO
#define SO_MEMINFO 55 /* asm-generic/socket.h; some libcs lack it */
#endif

/* ---- the list ---- */

enum { PATH = sizeof(((struct sockaddr_un *)NULL)->sun_path) + 2 };

/* Writes the path that a Unix socket is bound to.  Returns false with errno. */
static bool find_path(int descriptor, char path[PATH])
{
    struct sockaddr_un address = {0};
    socklen_t length = sizeof(address);

    /* A listening socket has a name, and an abstract name begins with 0 (unix(7)). */
    if (getsockname(descriptor, (struct sockaddr *)&address, &length) != 0)
        return false;
    (void)snprintf(path, PATH, "%s%.*s", address.sun_path[0] == '\0' ? "@" : "",
                   (int)sizeof(address.sun_path) - 1,
                   address.sun_path + (address.sun_path[0] == '\0'));
    return true;
}

/* Returns the path that a Unix socket is bound to; NULL if there is no memory. */
static const char *path_of(int descriptor)
{
    char path[PATH];

    return find_path(descriptor, path) ? strdup(path) : NULL;
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
    if (listener.local.family == AF_UNIX) {
        listener.brings_descriptors |= interrupter_is_needed(listener.descriptor);
        interrupter_refuse_descriptors(listener.descriptor); /* from later clients */
    }
    list[listeners->count++] = listener;
    return 0;
}

bool listeners_bring_descriptors(const struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++)
        if (listeners->list[i].brings_descriptors)
            return true;
    return false;
}

/* ---- one of them ---- */

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

/* The kernel reports clients that wait for accept as unacknowledged (net/ipv4/tcp.c,
 * tcp_get_info()).  It fails for a passed socket that is not quite TCP, or by a policy of the
 * system (bpf(2), BPF_CGROUP_GETSOCKOPT). */
static bool count_waiting(const struct listener *listener, uint32_t *waiting)
{
    struct tcp_info information;
    socklen_t length = sizeof(information);

    if (listener->local.family == AF_UNIX ||
        getsockopt(listener->descriptor, IPPROTO_TCP, TCP_INFO, &information, &length) != 0)
        return false;
    *waiting = information.tcpi_unacked;
    return true;
}

/* tcp_listendrop() counts in sk_drops, which SO_MEMINFO reports since Linux 4.12. */
bool listener_has_accepted(const struct listener *listener, int connection)
{
    struct sockaddr_un own = {.sun_family = AF_UNSPEC};
    struct sockaddr_un its = {.sun_family = AF_UNSPEC};
    socklen_t own_length = sizeof(own);
    socklen_t its_length = sizeof(its);
    struct endpoint local;
    char path[PATH];

    if (address_of_socket(connection, &local) != 0)
        return false;
    if (listener->path == NULL || local.family != AF_UNIX)
        return listener->path == NULL && local.family != AF_UNIX &&
               local.port == listener->local.port;
    if (listener->descriptor < 0)
        return find_path(connection, path) && strcmp(path, listener->path) == 0;
    return getsockname(listener->descriptor, (struct sockaddr *)&own, &own_length) == 0 &&
           getsockname(connection, (struct sockaddr *)&its, &its_length) == 0 &&
           own_length == its_length && memcmp(&own, &its, own_length) == 0;
}

bool listener_look(const struct listener *listener, struct listener_backlog *backlog)
{
    uint32_t memory[SK_MEMINFO_VARS] = {0};
    socklen_t length = sizeof(memory);

    if (!count_waiting(listener, &backlog->waiting) ||
        getsockopt(listener->descriptor, SOL_SOCKET, SO_MEMINFO, memory, &length) != 0)
        return false;
    backlog->dropped = memory[SK_MEMINFO_DROPS];
    return true;
}

/* Neither call can fail on a listening socket.  listen(2) sets the backlog anew.  A Unix socket
 * that is shut down refuses connections (net/unix/af_unix.c, unix_stream_connect()). */
uint32_t listener_stop(const struct listener *listener)
{
    uint32_t waiting;

    if (!listener->passed && listener->local.family == AF_UNIX)
        (void)shutdown(listener->descriptor, SHUT_RD);
    else if (!listener->passed)
        (void)listen(listener->descriptor, 0);
    return count_waiting(listener, &waiting) ? waiting : LISTENER_BACKLOG_UNKNOWN;
}

void listener_close(struct listener *listener)
{
    if (listener->descriptor >= 0)
        (void)close(listener->descriptor); /* nothing is written to it */
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
