/*
 * reply.h - sends the messages of a dispatcher to its supervisor.
 *
 * Messages are gathered into one packet, which reply_flush() sends; a full packet is sent at once.
 * Sending waits while the supervisor is behind.  If the supervisor is gone or has closed its end,
 * the process exits; handlers go on.
 */
#ifndef DISPATCHER_REPLY_H
#define DISPATCHER_REPLY_H

#include "dispatcher/protocol.h"

#include <stdbool.h>

/* Returns an answer to `request` that has only its header. */
union message reply_to(const struct message_header *request, enum message_type type);

/* Gathers a message.  Sends it at once if it brings a descriptor, which the caller keeps; NULL: it
 * brings none. */
void reply_send(const union message *message, const int *descriptor);

/* Sends the gathered messages. */
void reply_flush(void);

/* If errno says that the kernel lacks memory, waits a moment and returns true. */
bool reply_lacks_memory(void);

/* Exits: the supervisor does not listen any more. */
_Noreturn void reply_leave(void);

#endif
