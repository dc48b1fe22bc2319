#include "dispatcher/shared/release.h"

#include <sys/socket.h>
#include <unistd.h>

void release(int descriptor)
{
    struct linger linger = {0};
    socklen_t length = sizeof(linger);

    if (getsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, &length) == 0 &&
        linger.l_onoff != 0 && linger.l_linger > 0) {
        linger.l_onoff = 0;
        (void)setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    }
    (void)close(descriptor); /* we have no unsent data in it */
}
