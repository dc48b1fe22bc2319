/*
 * reply.h - the messages from a dispatcher to its supervisor.
 *
 * Messages are gathered into one packet, which reply_flush() sends; a full packet is sent at once.
 * Sending waits while the supervisor is behind.  If the supervisor is gone or has closed its end,
 * the process exits; handlers go on.
 */
#ifndef DISPATCHER_REPLY_H
#define DISPATCHER_REPLY_H

#include "dispatcher/protocol.h"

#include <stdbool.h>
#include <sys/resource.h>

void reply_ready(void);
void reply_started(const struct message_header *request, int32_t process, uint32_t age);

/* Sent at once.  The caller keeps the client's descriptor. */
void reply_failed(const struct message_header *request, int error, int client);

void reply_exited(uint32_t client, uint64_t ticket, int status, const struct rusage *usage);
void reply_signalled(const struct message_signal *request);
void reply_forked(const struct message_header *request, int32_t process, int error);

/* Sent at once.  The caller keeps `descriptor`; -1 with an error. */
void reply_content(const struct message_read *request, int descriptor, int error);

void reply_pong(const struct message_header *request);

/* Sends the gathered messages. */
void reply_flush(void);

/* If errno says that the kernel lacks memory, waits a moment and returns true. */
bool reply_lacks_memory(void);

/* Exits: the supervisor does not listen any more. */
_Noreturn void reply_leave(void);

#endif
