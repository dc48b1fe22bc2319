#include "supervisor/running/strays.h"

#include "dispatcher/shared/release.h"
#include "supervisor/base/address.h"

#include <string.h>

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

/* A broken connection belongs to nobody: nothing is lost with it. */
int strays_take(struct strays *strays, const struct endpoint *remote)
{
    struct endpoint found;

    for (size_t i = 0; i < strays->count; i++)
        if (address_of_remote(strays->descriptors[i], &found) == 0 &&
            memcmp(&found, remote, sizeof(found)) == 0)
            return take(strays, i);
    return -1;
}

int strays_next(struct strays *strays)
{
    return strays->count == 0 ? -1 : take(strays, 0);
}
