/*
 * raw.h - for probes: sends what may be no message of a contract, with descriptors.
 */
#ifndef TESTS_SHARED_RAW_H
#define TESTS_SHARED_RAW_H

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { RAW_MAXIMUM = 253 /* descriptors: the kernel takes no more at once (unix(7)) */ };

/* Sends the bytes with `count` descriptors; returns what sendmsg(2) does. */
static inline ssize_t raw_send_each(int socket, const void *bytes, size_t length,
                                    const int *descriptors, unsigned count, int flags)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(RAW_MAXIMUM * sizeof(int))];
    } control = {0};
    struct iovec content = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = length};
    struct msghdr envelope = {.msg_iov = &content, .msg_iovlen = 1};

    if (count > 0) {
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = (socklen_t)CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(&control.header), descriptors, count * sizeof(int));
        envelope.msg_control = &control;
        envelope.msg_controllen = (socklen_t)CMSG_SPACE(count * sizeof(int));
    }
    /* What the kernel takes may be more than a libc does. */
    return syscall(SYS_sendmsg, socket, &envelope, flags | MSG_NOSIGNAL);
}

/* Sends the bytes with `count` copies of a descriptor. */
static inline ssize_t raw_send(int socket, const void *bytes, size_t length, int descriptor,
                               unsigned count)
{
    int descriptors[RAW_MAXIMUM];

    for (unsigned i = 0; i < count; i++)
        descriptors[i] = descriptor;
    return raw_send_each(socket, bytes, length, descriptors, count, 0);
}

#endif
