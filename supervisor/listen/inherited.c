#include "supervisor/listen/inherited.h"

#include "supervisor/base/socket.h"

#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

static bool has_device(int descriptor, const char *device)
{
    char name[IFNAMSIZ] = "";
    socklen_t length = sizeof(name); /* the kernel requires this much, and adds a 0 */

    /* The length is 0 if the socket is bound to no device (socket(7)). */
    return getsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, name, &length) == 0 &&
           strcmp(name, device == NULL ? "" : device) == 0;
}

static bool has_port(in_port_t port, in_port_t wanted)
{
    return wanted == 0 || port == wanted;
}

static bool has_address(int descriptor, const struct inherited_wish *wish)
{
    const union address_socket *address = wish->address;
    union address_socket local;
    socklen_t length = sizeof(local);

    memset(&local, 0, sizeof(local));
    if (getsockname(descriptor, &local.any, &length) != 0 ||
        local.any.sa_family != address->any.sa_family || !has_device(descriptor, wish->device))
        return false;
    if (address->any.sa_family == AF_INET)
        return has_port(local.ipv4.sin_port, address->ipv4.sin_port) &&
               local.ipv4.sin_addr.s_addr == address->ipv4.sin_addr.s_addr;
    return has_port(local.ipv6.sin6_port, address->ipv6.sin6_port) &&
           local.ipv6.sin6_scope_id == address->ipv6.sin6_scope_id &&
           memcmp(&local.ipv6.sin6_addr, &address->ipv6.sin6_addr, sizeof(struct in6_addr)) == 0 &&
           socket_get(descriptor, IPPROTO_IPV6, IPV6_V6ONLY) == wish->ipv6_only;
}

static bool is_same(const struct listener *listener, const struct inherited_wish *wish)
{
    if (listener->descriptor < 0)
        return false;
    if (wish->path != NULL)
        return listener->path != NULL && strcmp(listener->path, wish->path) == 0;
    return wish->address == NULL || has_address(listener->descriptor, wish);
}

bool inherited_take(const struct inherited *inherited, const struct inherited_wish *wish,
                    struct listener *taken)
{
    for (size_t i = 0; i < inherited->count; i++) {
        if (inherited->used[i] || !is_same(&inherited->list[i], wish))
            continue;
        inherited->used[i] = true;
        *taken = inherited->list[i];
        return true;
    }
    return false;
}
