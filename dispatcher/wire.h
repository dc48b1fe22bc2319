/*
 * wire.h - sends and receives one message of protocol.h, with its descriptors.
 *
 * Nothing that arrives is believed before its exact length, version, type and number of
 * descriptors have been checked; what does not pass is taken off the socket and closed.
 */
#ifndef DISPATCHER_WIRE_H
#define DISPATCHER_WIRE_H

#include "dispatcher/protocol.h"

enum wire_result {
    WIRE_MESSAGE,       /* *message is valid, and the descriptors that its type brings are there */
    WIRE_NO_DESCRIPTOR, /* otherwise valid, but this process had no room for the descriptors */
    WIRE_EMPTY,         /* nothing there now */
    WIRE_CLOSED,        /* end of file: the peer and all copies of its end are gone */
    WIRE_MALFORMED,     /* not a message of the protocol, or not one of `permitted` */
    WIRE_ERROR          /* errno says why */
};

/* A set of message types, for `permitted`. */
#define WIRE_TYPE(type) (1u << (type))

/* Sets the header of a message. */
void wire_header(union message *message, enum message_type type, uint32_t client, uint64_t ticket);

enum { WIRE_DESCRIPTORS = 2 }; /* that a message brings at most */

/* Sends `message`, whose length follows from its type, with as many of `descriptors` as the type
 * brings, which the caller keeps; NULL for none.  `flags` as for sendmsg(2).  Returns 0, or -1 with
 * errno; never raises SIGPIPE. */
int wire_send(int socket, const union message *message, const int *descriptors, int flags);

/* Receives one message.  Received descriptors are close-on-exec and the caller's to close; -1
 * stands for those that the message does not bring.  `flags` as for recvmsg(2): MSG_DONTWAIT, or 0
 * to wait.
 */
enum wire_result wire_receive(int socket, unsigned permitted, union message *message,
                              int descriptors[WIRE_DESCRIPTORS], int flags);

#endif
