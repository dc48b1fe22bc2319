#include "dispatcher/failure.h"

#include "dispatcher/shared/kernel_call.h"
#include "dispatcher/shared/wire.h"

#include <errno.h>

void failure_prepare(struct failure *failure, const struct message_header *request)
{
    struct cmsghdr *header = (void *)failure->control;
    union message message;

    wire_header(&message, MESSAGE_FAILED, request->client, request->ticket);
    *failure = (struct failure){.message = message.failed};
    failure->content =
        (struct iovec){.iov_base = &failure->message, .iov_len = sizeof(failure->message)};
    header->cmsg_len = (socklen_t)CMSG_LEN(sizeof(int));
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    failure->envelope = (struct msghdr){
        .msg_iov = &failure->content,
        .msg_iovlen = 1,
        .msg_control = failure->control,
        .msg_controllen = (socklen_t)CMSG_LEN(sizeof(int)),
    };
}

KERNEL_CALL_ONLY static void wait_for_memory(void)
{
    static const long pause[2] = {0, 10000000}; /* seconds and nanoseconds, as long is */

    (void)kernel_call(SYS_ppoll, 0, 0, (long)&pause, 0); /* a signal may cut it short */
}

KERNEL_CALL_ONLY static bool may_pass(long error)
{
    return error == -ENOMEM || error == -ENOBUFS || error == -EAGAIN || error == -ETOOMANYREFS;
}

KERNEL_CALL_ONLY bool failure_send(struct failure *failure, int error, int client)
{
    int *descriptor = (void *)(failure->control + CMSG_LEN(0));
    long result;

    failure->message.error = error;
    *descriptor = client;
    do {
        result =
            kernel_call(SYS_sendmsg, PROTOCOL_SOCKET, (long)&failure->envelope, MSG_NOSIGNAL, 0);
        if (may_pass(result))
            wait_for_memory();
    } while (may_pass(result) || result == -EINTR || result == -ECONNRESET); /* then EPIPE */
    return result >= 0 || result == -EPIPE;
}
