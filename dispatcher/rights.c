#include "dispatcher/rights.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SCM_PIDFD
#define SCM_PIDFD 0x04 /* since Linux 6.5 */
#endif

union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(RIGHTS_MAXIMUM * sizeof(int))];
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

/* Takes the descriptors out of the envelope; returns how many there are.  Who has the socket, too,
 * may have asked for other things to come with them (SO_PASSCRED, unix(7)), of which one is a
 * descriptor itself (SO_PASSPIDFD; net/core/scm.c, scm_pidfd_recv()). */
static unsigned take(const struct msghdr *envelope, int *descriptors)
{
    const char *at = envelope->msg_control;
    size_t left = envelope->msg_controllen;
    unsigned count = 0;

    while (left >= sizeof(struct cmsghdr)) {
        const struct cmsghdr *header = (const void *)at;
        const size_t size = header->cmsg_len - CMSG_LEN(0);
        const size_t length = CMSG_SPACE(size);

        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
            memcpy(descriptors + count, at + CMSG_LEN(0), size);
            count += (unsigned)(size / sizeof(int));
        } else if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_PIDFD &&
                   size == sizeof(int)) {
            int process;

            memcpy(&process, at + CMSG_LEN(0), size);
            if (process >= 0)
                (void)close(process); /* nobody here has asked for it */
        }
        at += length < left ? length : left;
        left -= length < left ? length : left;
    }
    return count;
}

ssize_t rights_receive(int socket, void *bytes, size_t size, int *descriptors, unsigned *count,
                       int *flags)
{
    struct iovec content = {.iov_base = bytes, .iov_len = size};
    union control control;
    struct msghdr envelope;
    ssize_t length;

    do {
        envelope = (struct msghdr){
            .msg_iov = &content,
            .msg_iovlen = 1,
            .msg_control = &control,
            /* Exactly so many: in the padding of CMSG_SPACE might be room for one more. */
            .msg_controllen = (socklen_t)CMSG_LEN(*count * sizeof(int)),
        };
        length = recvmsg(socket, &envelope, *flags | MSG_CMSG_CLOEXEC);
    } while (length < 0 && (errno == EINTR || errno == ECONNRESET));
    *count = length < 0 ? 0 : take(&envelope, descriptors);
    *flags = length < 0 ? 0 : envelope.msg_flags;
    return length;
}
