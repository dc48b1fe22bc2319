/*
 * control_reply.h - sends the answer to an operator's connection: head, body, and a descriptor.
 *
 * As a rule a socket takes all of it at once.  If it does not, the rest stays where it is, and is
 * to be sent with another call.
 */
#ifndef SUPERVISOR_CONTROL_CONTROL_REPLY_H
#define SUPERVISOR_CONTROL_CONTROL_REPLY_H

#include "dispatcher/shared/text.h"

#include <stdbool.h>
#include <stddef.h>

struct control_reply {
    struct text head; /* both refer to memory that must stay */
    struct text body;
    size_t sent;    /* of the two */
    int descriptor; /* owned, to be sent with the first byte; -1: none, or it is sent */
};

enum control_reply_result {
    CONTROL_REPLY_SENT,
    CONTROL_REPLY_LEFT, /* not all of it was taken */
    CONTROL_REPLY_FAILED
};

/* Sends without waiting, with one call. */
enum control_reply_result control_reply_send(struct control_reply *reply, int socket);

/* Closes the descriptor if it was not sent. */
void control_reply_close(struct control_reply *reply);

#endif
