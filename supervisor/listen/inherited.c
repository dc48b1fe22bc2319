#include "supervisor/listen/inherited.h"

#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

/* What is looked for; that which does not matter is NULL. */
struct wanted {
    const union address_socket *address;
    bool ipv6_only;
    const char *device;
    const char *path;
};

static bool has_device(int descriptor, const char *device)
{
    char name[IFNAMSIZ] = "";
    socklen_t length = sizeof(name); /* no less will do; what comes ends with a 0 */

    /* Without one, the length is 0 (socket(7)). */
    return getsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, name, &length) == 0 &&
           strcmp(name, device == NULL ? "" : device) == 0;
}

static bool is_ipv6_only(int descriptor)
{
    int value = 0;
    socklen_t length = sizeof(value);

    return getsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &value, &length) == 0 && value != 0;
}

static bool has_port(in_port_t port, in_port_t wanted)
{
    return wanted == 0 || port == wanted;
}

static bool has_address(int descriptor, const struct wanted *wanted)
{
    const union address_socket *address = wanted->address;
    union address_socket local;
    socklen_t length = sizeof(local);

    memset(&local, 0, sizeof(local));
    if (getsockname(descriptor, &local.any, &length) != 0 ||
        local.any.sa_family != address->any.sa_family || !has_device(descriptor, wanted->device))
        return false;
    if (address->any.sa_family == AF_INET)
        return has_port(local.ipv4.sin_port, address->ipv4.sin_port) &&
               local.ipv4.sin_addr.s_addr == address->ipv4.sin_addr.s_addr;
    return has_port(local.ipv6.sin6_port, address->ipv6.sin6_port) &&
           local.ipv6.sin6_scope_id == address->ipv6.sin6_scope_id &&
           memcmp(&local.ipv6.sin6_addr, &address->ipv6.sin6_addr, sizeof(struct in6_addr)) == 0 &&
           is_ipv6_only(descriptor) == wanted->ipv6_only;
}

static bool fits(const struct listener *listener, const struct wanted *wanted)
{
    if (listener->descriptor < 0)
        return false;
    if (wanted->path != NULL)
        return listener->path != NULL && strcmp(listener->path, wanted->path) == 0;
    return wanted->address == NULL || has_address(listener->descriptor, wanted);
}

static bool take(const struct listener_request *request, const struct wanted *wanted,
                 struct listener *taken)
{
    for (size_t i = 0; i < request->inherited_count; i++) {
        if (request->inherited_used[i] || !fits(&request->inherited[i], wanted))
            continue;
        request->inherited_used[i] = true;
        *taken = request->inherited[i];
        return true;
    }
    return false;
}

bool inherited_take_address(const struct listener_request *request,
                            const union address_socket *address, bool ipv6_only,
                            struct listener *taken)
{
    return take(
        request,
        &(struct wanted){.address = address, .ipv6_only = ipv6_only, .device = request->device},
        taken);
}

bool inherited_take_path(const struct listener_request *request, struct listener *taken)
{
    return take(request, &(struct wanted){.path = request->unix_path}, taken);
}

bool inherited_take_any(const struct listener_request *request, struct listener *taken)
{
    return take(request, &(struct wanted){0}, taken);
}
