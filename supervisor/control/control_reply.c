#include "supervisor/control/control_reply.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Aligned as the header wants it (cmsg(3)). */
union rights {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

static void attach(struct msghdr *envelope, union rights *rights, int descriptor)
{
    memset(rights, 0, sizeof(*rights));
    rights->header.cmsg_level = SOL_SOCKET;
    rights->header.cmsg_type = SCM_RIGHTS;
    rights->header.cmsg_len = CMSG_LEN(sizeof(descriptor));
    memcpy(CMSG_DATA(&rights->header), &descriptor, sizeof(descriptor));
    envelope->msg_control = rights;
    envelope->msg_controllen = CMSG_LEN(sizeof(descriptor));
}

/* What is left of a text once so many bytes were sent, of which its own are taken away. */
static struct iovec rest(const struct text *text, size_t *sent)
{
    size_t own = *sent < text->length ? *sent : text->length;

    *sent -= own;
    return (struct iovec){.iov_base = text->bytes + own, .iov_len = text->length - own};
}

/* Want of memory passes, too; and so does ETOOMANYREFS: of descriptors on their way (unix(7)). */
static bool is_passing(int error)
{
    return error == EAGAIN || error == EINTR || error == ENOBUFS || error == ENOMEM ||
           error == ETOOMANYREFS;
}

enum control_reply_result control_reply_send(struct control_reply *reply, int socket)
{
    size_t sent = reply->sent;
    struct iovec head = rest(&reply->head, &sent);
    struct iovec parts[] = {head, rest(&reply->body, &sent)};
    struct msghdr envelope = {.msg_iov = parts, .msg_iovlen = 2};
    size_t left = parts[0].iov_len + parts[1].iov_len;
    union rights rights;
    ssize_t taken;

    if (left == 0)
        return CONTROL_REPLY_SENT;
    if (reply->descriptor != -1)
        attach(&envelope, &rights, reply->descriptor);
    taken = sendmsg(socket, &envelope, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (taken < 0)
        return is_passing(errno) ? CONTROL_REPLY_LEFT : CONTROL_REPLY_FAILED;
    if (taken > 0)
        control_reply_close(reply);
    reply->sent += (size_t)taken;
    return (size_t)taken == left ? CONTROL_REPLY_SENT : CONTROL_REPLY_LEFT;
}

void control_reply_close(struct control_reply *reply)
{
    if (reply->descriptor != -1)
        (void)close(reply->descriptor); /* nothing was written to it */
    reply->descriptor = -1;
}
