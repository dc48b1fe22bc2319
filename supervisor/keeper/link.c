#include "supervisor/keeper/link.h"

#include "dispatcher/shared/release.h"
#include "dispatcher/shared/rights.h"

#include <errno.h>
#include <sys/socket.h>

unsigned link_descriptors(const struct link_message *message)
{
    if (message->type == LINK_BEGUN)
        return LINK_DESCRIPTORS;
    return message->type == LINK_OPENED || (message->type == LINK_CONTENT && message->value == 0);
}

int link_send(int socket, const struct link_message *message, const int *descriptors)
{
    return rights_send(socket, message, sizeof(*message), descriptors, link_descriptors(message),
                       MSG_DONTWAIT | MSG_NOSIGNAL) < 0
               ? -1
               : 0;
}

bool link_receive(int socket, struct link_message *message, int descriptors[LINK_DESCRIPTORS])
{
    unsigned count = LINK_DESCRIPTORS;
    int flags = MSG_DONTWAIT;
    ssize_t length = rights_receive(socket, message, sizeof(*message), descriptors, &count, &flags);

    if (length <= 0) {
        errno = length == 0 ? ECONNRESET : errno;
        return false;
    }
    if (length == (ssize_t)sizeof(*message) && (flags & MSG_TRUNC) == 0 &&
        count == link_descriptors(message) && message->text[LINK_TEXT - 1] == '\0') {
        while (count < LINK_DESCRIPTORS)
            descriptors[count++] = -1;
        return true;
    }
    while (count > 0)
        release(descriptors[--count]);
    errno = (flags & MSG_CTRUNC) != 0 ? EMFILE : EPROTO;
    return false;
}
