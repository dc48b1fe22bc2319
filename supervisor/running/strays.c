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

/* Each socket has another cookie (socket(7)). */
static bool are_same(int one, int other)
{
    uint64_t cookies[2];
    socklen_t length = sizeof(*cookies);

    return getsockopt(one, SOL_SOCKET, SO_COOKIE, &cookies[0], &length) == 0 &&
           getsockopt(other, SOL_SOCKET, SO_COOKIE, &cookies[1], &length) == 0 &&
           cookies[0] == cookies[1];
}

/* A broken connection belongs to nobody: nothing is lost with it. */
static bool is_of(int descriptor, const struct client *client)
{
    struct endpoint found;

    if (client->descriptor >= 0)
        return are_same(descriptor, client->descriptor);
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
