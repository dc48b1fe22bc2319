#include "supervisor/listen/tuning.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static int set(int descriptor, int level, int option, int value)
{
    return setsockopt(descriptor, level, option, &value, sizeof(value));
}

/* How soon a peer that has vanished without a word is found: clients inherit it.  The system's
 * default takes more than two hours (tcp(7)); whoever has set it to less has a reason. */
static const struct {
    int option;
    int most;
} keepalive[] = {
    {.option = TCP_KEEPIDLE, .most = 60},  /* seconds of silence until it is asked */
    {.option = TCP_KEEPINTVL, .most = 10}, /* seconds between two questions */
    {.option = TCP_KEEPCNT, .most = 6},    /* questions without an answer */
};

static int set_keepalive(int descriptor)
{
    if (set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1) != 0)
        return -1;
    for (size_t i = 0; i < sizeof(keepalive) / sizeof(*keepalive); i++) {
        int value;
        socklen_t length = sizeof(value);

        if (getsockopt(descriptor, IPPROTO_TCP, keepalive[i].option, &value, &length) != 0)
            return -1;
        if (value > keepalive[i].most &&
            set(descriptor, IPPROTO_TCP, keepalive[i].option, keepalive[i].most) != 0)
            return -1;
    }
    return 0;
}

/* In whole seconds, none of which is to be missing. */
static int seconds(uint64_t microseconds)
{
    const uint64_t second = 1000000;

    return (int)((microseconds + second - 1) / second); /* a year at most */
}

int tuning_apply(int descriptor, const struct listener_request *request, bool passed)
{
    if (set_keepalive(descriptor) != 0)
        return -1;
    if ((request->no_delay || !passed) &&
        set(descriptor, IPPROTO_TCP, TCP_NODELAY, request->no_delay) != 0)
        return -1;
    if (request->defer_accept == 0 && passed)
        return 0;
    return set(descriptor, IPPROTO_TCP, TCP_DEFER_ACCEPT, seconds(request->defer_accept));
}
