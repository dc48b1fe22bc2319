#include "dispatcher/shared/rights.h"

#include "dispatcher/shared/release.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#ifndef SCM_PIDFD
#define SCM_PIDFD 0x04 /* since Linux 6.5 */
#endif

/* Room for everything that can come with a message: descriptors, and data that another owner of the
 * socket has asked for.  The kernel itself would close descriptors without room, which could block
 * as release.h says. */
union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(RIGHTS_MAXIMUM * sizeof(int)) + 1024];
};

ssize_t rights_send(int socket, const void *bytes, size_t length, const int *descriptors,
                    unsigned count, int flags)
{
    struct iovec content = {
        .iov_base = (void *)(uintptr_t)bytes, /* sendmsg only reads it */
        .iov_len = length,
    };
    struct msghdr envelope = {.msg_iov = &content, .msg_iovlen = 1};
    const size_t size = count * sizeof(int);
    union control control;
    ssize_t sent;

    if (count > 0) {
        control.header = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET,
            .cmsg_type = SCM_RIGHTS,
            .cmsg_len = (socklen_t)CMSG_LEN(size),
        };
        memcpy(CMSG_DATA(&control.header), descriptors, size);
        envelope.msg_control = &control;
        envelope.msg_controllen = (socklen_t)CMSG_LEN(size);
    }
    do {
        sent = sendmsg(socket, &envelope, flags | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent;
}

/* Keeps descriptors while there is room, and releases the rest. */
static unsigned keep(const char *data, size_t size, int *descriptors, unsigned count, unsigned room,
                     int *flags)
{
    for (; size >= sizeof(int); data += sizeof(int), size -= sizeof(int)) {
        int descriptor;

        memcpy(&descriptor, data, sizeof(descriptor));
        if (count < room) {
            descriptors[count++] = descriptor;
        } else {
            release(descriptor);
            *flags |= MSG_CTRUNC;
        }
    }
    return count;
}

/* Takes the descriptors out of the envelope and returns their number.  Releases a descriptor of the
 * sender, if another owner of the socket has asked for one (SO_PASSPIDFD; net/core/scm.c,
 * scm_pidfd_recv()); it may be negative. */
static unsigned take(const struct msghdr *envelope, int *descriptors, unsigned room, int *flags)
{
    const char *at = envelope->msg_control;
    size_t left = envelope->msg_controllen;
    unsigned count = 0;
    int none = 0; /* flags that are not used */

    while (left >= sizeof(struct cmsghdr)) {
        const struct cmsghdr *header = (const void *)at;
        const size_t size = header->cmsg_len - CMSG_LEN(0);
        const size_t length = CMSG_SPACE(size);

        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
            count = keep(at + CMSG_LEN(0), size, descriptors, count, room, flags);
        else if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_PIDFD)
            (void)keep(at + CMSG_LEN(0), size, NULL, 0, 0, &none);
        at += length < left ? length : left;
        left -= length < left ? length : left;
    }
    return count;
}

/* Returns the result as rights_receive() does.  `*envelope` is what recvmsg(2) has made of it. */
static ssize_t receive(int socket, struct msghdr *envelope, int flags)
{
    const struct msghdr asked = *envelope;
    ssize_t length;

    do {
        *envelope = asked;
        length = recvmsg(socket, envelope, flags | MSG_CMSG_CLOEXEC);
    } while (length < 0 && (errno == EINTR || errno == ECONNRESET));
    return length;
}

ssize_t rights_receive(int socket, void *bytes, size_t size, int *descriptors, unsigned *count,
                       int *flags)
{
    struct iovec content = {.iov_base = bytes, .iov_len = size};
    union control control;
    struct msghdr envelope = {
        .msg_iov = &content,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control),
    };
    ssize_t length = receive(socket, &envelope, *flags);

    *flags = length < 0 ? 0 : envelope.msg_flags;
    *count = length < 0 ? 0 : take(&envelope, descriptors, *count, flags);
    return length;
}

/* A packet may be empty.  With SO_PASSCRED each one comes with something, and only the end of file
 * comes with nothing. */
void rights_drain(int socket)
{
    enum { PACKETS = 1024 }; /* more than fit; ends the loop if a peer goes on sending */
    const int yes = 1;
    bool all_bring_something = setsockopt(socket, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)) == 0;

    for (int i = 0; i < PACKETS; i++) {
        union control control;
        struct msghdr envelope = {.msg_control = &control, .msg_controllen = sizeof(control)};
        int none = 0; /* flags that are not used */

        if (receive(socket, &envelope, MSG_DONTWAIT) < 0 ||
            (all_bring_something && envelope.msg_controllen == 0))
            return;
        (void)take(&envelope, NULL, 0, &none);
    }
}
