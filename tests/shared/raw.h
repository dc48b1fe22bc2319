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

/* Sends the bytes with so many copies of a descriptor; returns what sendmsg(2) does. */
static inline ssize_t raw_send(int socket, const void *bytes, size_t length, int descriptor,
                               unsigned count)
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
        for (unsigned i = 0; i < count; i++)
            memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &descriptor, sizeof(int));
        envelope.msg_control = &control;
        envelope.msg_controllen = (socklen_t)CMSG_SPACE(count * sizeof(int));
    }
    /* What the kernel takes may be more than a libc does. */
    return syscall(SYS_sendmsg, socket, &envelope, MSG_NOSIGNAL);
}

#endif
