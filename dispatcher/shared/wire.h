/*
 * wire.h - sends and receives messages of protocol.h, with their descriptors.
 *
 * Nothing that arrives is believed before exact length, version, type and number of descriptors of
 * all messages in the packet have been checked; what does not pass is taken off the socket and
 * closed.
 */
#ifndef DISPATCHER_SHARED_WIRE_H
#define DISPATCHER_SHARED_WIRE_H

#include "dispatcher/protocol.h"

#include <stdbool.h>
#include <stddef.h>

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

/* Messages that are to go in one packet. */
struct wire_outbox {
    union message bytes[PROTOCOL_BATCH]; /* packed: most messages are shorter */
    int descriptors[PROTOCOL_BATCH];
    size_t length;
    unsigned count;
    unsigned descriptor_count;
};

/* Adds a message, with its descriptors, which the caller keeps at least until wire_flush().
 * Returns false if there is no room for it, or if messages of its type travel alone. */
bool wire_add(struct wire_outbox *outbox, const union message *message, const int *descriptors);

/* Sends what has been added, all or nothing, as wire_send().  If that fails, it is still there. */
int wire_flush(struct wire_outbox *outbox, int socket, int flags);

/* Gives up what has been added and not sent. */
void wire_withdraw(struct wire_outbox *outbox);

/* A packet that has been received, of which messages are taken one after the other. */
struct wire_inbox {
    union message bytes[PROTOCOL_BATCH];
    int descriptors[PROTOCOL_BATCH];
    size_t length;
    size_t taken;
    unsigned descriptor_count;
    unsigned descriptors_taken;
    bool cut;       /* descriptors are missing, for want of room in this process */
    bool lies;      /* it was received with MSG_PEEK, and is still in the socket */
    unsigned tries; /* without its descriptors, which should be there */
};

/* Takes the next message, receiving a packet if none is left of the last one.  Received descriptors
 * are close-on-exec and the caller's to close; -1 stands for those that the message does not bring.
 * `flags` as for recvmsg(2): MSG_DONTWAIT, or 0 to wait; with MSG_PEEK, a packet must be taken off
 * with wire_consume() before another can be received.  If the kernel cannot show its descriptors,
 * for want of memory (ENOMEM), and that lasts, the packet is taken off at once.  A packet of which
 * one message is malformed is given up as a whole. */
enum wire_result wire_receive(struct wire_inbox *inbox, int socket, unsigned permitted,
                              union message *message, int descriptors[WIRE_DESCRIPTORS], int flags);

/* Takes the packet off the socket, if it lies there still.  Returns 0, or -1 with errno: it lies
 * there still. */
int wire_consume(struct wire_inbox *inbox, int socket);

/* Whether a message is left, so that wire_receive() will not ask the kernel. */
bool wire_is_left(const struct wire_inbox *inbox);

/* Gives up what is left. */
void wire_discard(struct wire_inbox *inbox);

#endif
