/*
 * failure.h - what a child says whose exec has failed: FAILED, with the client's connection, which
 * nobody else holds any more.
 *
 * The child is in its parent's memory and may use nothing of libc's.  So the parent prepares all of
 * it, and nothing but the error and the descriptor is filled in there.
 */
#ifndef DISPATCHER_FAILURE_H
#define DISPATCHER_FAILURE_H

#include "dispatcher/protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct failure {
    struct message_failed message;
    struct iovec content;
    char control[CMSG_SPACE(sizeof(int))]
        __attribute__((aligned(sizeof(size_t)))); /* one cmsghdr */
    struct msghdr envelope;
};

/* For the answer to this request.  `failure` must stay where it is until the child has left. */
void failure_prepare(struct failure *failure, const struct message_header *request);

/* Sends it, with as much patience as a want of memory takes.  Waits if the supervisor is behind.
 * Returns whether it has been said, or there is no supervisor any more to hear it. */
bool failure_send(struct failure *failure, int error, int client);

#endif
