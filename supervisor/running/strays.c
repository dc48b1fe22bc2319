#include "supervisor/running/strays.h"

#include "dispatcher/shared/release.h"
#include "supervisor/base/address.h"

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

int strays_take(struct strays *strays, const struct endpoint *remote)
{
    for (size_t i = 0; i < strays->count; i++)
        if (address_is_from(strays->descriptors[i], remote))
            return take(strays, i);
    return -1;
}

int strays_next(struct strays *strays)
{
    return strays->count == 0 ? -1 : take(strays, 0);
}
