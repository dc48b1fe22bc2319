/*
 * wire.h - sends and receives the messages of protocol.h, with their descriptors.
 *
 * A packet is believed only after a check of all its messages: exact length, version, type and
 * number of descriptors.  A packet that fails is discarded, and its descriptors are closed.
 *
 * The system calls are in rights.c, beside this file.
 */
#ifndef DISPATCHER_SHARED_WIRE_H
#define DISPATCHER_SHARED_WIRE_H

#include "dispatcher/protocol.h"

#include <stdbool.h>
#include <stddef.h>

enum wire_result {
    WIRE_MESSAGE,       /* *message is valid and complete with its descriptor */
    WIRE_NO_DESCRIPTOR, /* *message is valid, but this process had no room for its descriptor */
    WIRE_EMPTY,         /* no message now */
    WIRE_CLOSED,        /* end of file: the peer and all copies of its end are gone */
    WIRE_MALFORMED,     /* violates the protocol, or its type is not permitted */
    WIRE_ERROR          /* see errno */
};

/* A set of message types, for `permitted`. */
#define WIRE_TYPE(type) (1u << (type))

/* Clears a message and fills in its header. */
void wire_header(union message *message, enum message_type type, uint32_t client, uint64_t ticket);

/* Sends `message` with the descriptor that its type brings, which the caller keeps; NULL: none.
 * `flags` as for sendmsg(2).  Returns 0, or -1 with errno; never raises SIGPIPE. */
int wire_send(int socket, const union message *message, const int *descriptor, int flags);

/* Messages for one packet. */
struct wire_outbox {
    union message bytes[PROTOCOL_BATCH]; /* packed, without gaps between messages */
    int descriptors[PROTOCOL_BATCH];
    size_t length;
    unsigned count;
    unsigned descriptor_count;
};

/* Adds a message with its descriptor, which the caller keeps open until wire_flush().  Returns
 * false if the packet is full. */
bool wire_add(struct wire_outbox *outbox, const union message *message, const int *descriptor);

/* Sends all added messages or none.  After a failure they stay.  Flags and result as of
 * wire_send(). */
int wire_flush(struct wire_outbox *outbox, int socket, int flags);

/* Drops all added messages. */
void wire_withdraw(struct wire_outbox *outbox);

/* A received packet, from which messages are taken one after another. */
struct wire_inbox {
    union message bytes[PROTOCOL_BATCH];
    int descriptors[PROTOCOL_BATCH];
    size_t length;
    size_t taken;
    unsigned descriptor_count;
    unsigned descriptors_taken;
    bool cut;       /* descriptors are missing: this process had no room for them */
    bool bare;      /* only the descriptors are missing, all of them */
    bool lies;      /* received with MSG_PEEK: the packet is still in the socket */
    unsigned tries; /* looks at this packet that showed no descriptors */
};

/* Takes the next message; receives a packet if the last one is used up.
 *
 * *descriptor is close-on-exec and the caller's to close; -1: the message brings none.  `flags` as
 * for recvmsg(2): MSG_DONTWAIT, or 0 to wait.  After MSG_PEEK, wire_consume() must precede the next
 * packet.  If the kernel repeatedly lacks the memory to show the descriptors (ENOMEM), the packet
 * is taken off at once in spite of MSG_PEEK.  One malformed message discards its whole packet. */
enum wire_result wire_receive(struct wire_inbox *inbox, int socket, unsigned permitted,
                              union message *message, int *descriptor, int flags);

/* Looks at the next packet without its descriptors, which get no numbers in this process.  The
 * packet stays in the socket.  The inbox must be empty, and then has the messages: wire_receive()
 * takes them without asking the kernel.  Returns false if there is no packet, or a malformed one.
 */
bool wire_preview(struct wire_inbox *inbox, int socket, unsigned permitted);

/* Takes the packet off the socket if it is still there.  Returns 0, or -1 with errno if it could
 * not be taken off. */
int wire_consume(struct wire_inbox *inbox, int socket);

/* Returns true if a message is left: wire_receive() will not ask the kernel. */
bool wire_is_left(const struct wire_inbox *inbox);

/* Drops the remaining messages and releases their descriptors. */
void wire_discard(struct wire_inbox *inbox);

#endif
