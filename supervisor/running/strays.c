#include "supervisor/running/strays.h"

#include "dispatcher/shared/release.h"
#include "supervisor/base/address.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

void strays_add(struct strays *strays, int descriptor)
{
    if (strays->count < STRAYS_MAXIMUM)
        strays->descriptors[strays->count++] = descriptor;
    else
        release(descriptor);
}

static int take(struct strays *strays, size_t index)
{
    int descriptor = strays->descriptors[index];

    for (strays->count--; index < strays->count; index++)
        strays->descriptors[index] = strays->descriptors[index + 1];
    return descriptor;
}

/* Each socket has another cookie (socket(7)).  Returns false where there are none, before Linux
 * 4.12. */
static bool find_cookie(int descriptor, uint64_t *cookie)
{
    socklen_t length = sizeof(*cookie);

    return getsockopt(descriptor, SOL_SOCKET, SO_COOKIE, cookie, &length) == 0;
}

/* A broken connection belongs to nobody: nothing is lost with it. */
static bool is_of(int descriptor, const struct client *client)
{
    struct endpoint found;
    uint64_t ours;
    uint64_t its;

    if (client->descriptor >= 0 && find_cookie(client->descriptor, &ours) &&
        find_cookie(descriptor, &its))
        return its == ours;
    return address_of_remote(descriptor, &found) == 0 &&
           memcmp(&found, &client->remote, sizeof(found)) == 0;
}

int strays_take(struct strays *strays, const struct client *client)
{
    for (size_t i = 0; i < strays->count; i++)
        if (is_of(strays->descriptors[i], client))
            return take(strays, i);
    return -1;
}

int strays_next(struct strays *strays)
{
    return strays->count == 0 ? -1 : take(strays, 0);
}
