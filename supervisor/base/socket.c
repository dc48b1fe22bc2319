#include "supervisor/base/socket.h"

#include <poll.h>
#include <sys/socket.h>

int socket_set(int socket, int level, int option, int value)
{
    return setsockopt(socket, level, option, &value, sizeof(value));
}

int socket_get(int socket, int level, int option)
{
    int value = 0;
    socklen_t length = sizeof(value);

    return getsockopt(socket, level, option, &value, &length) == 0 ? value : -1;
}

bool socket_reaches_others(int descriptor)
{
    int type = socket_get(descriptor, SOL_SOCKET, SO_TYPE);

    return type >= 0 && type != SOCK_STREAM &&
           (type != SOCK_SEQPACKET || socket_get(descriptor, SOL_SOCKET, SO_DOMAIN) != AF_UNIX);
}

bool socket_is_shut_down(int listener)
{
    struct pollfd end = {.fd = listener, .events = POLLRDHUP};

    return poll(&end, 1, 0) > 0;
}
