/*
 * reply.h - what a dispatcher says to its supervisor.
 *
 * What is said is gathered, and goes in one packet with reply_flush(), or as soon as there is no
 * room for more.  That waits if the supervisor is behind: there is nothing better to do.  If the
 * supervisor is gone, or has closed its end, nothing is left to do at all, and the process exits;
 * handlers go on.
 */
#ifndef DISPATCHER_REPLY_H
#define DISPATCHER_REPLY_H

#include "dispatcher/protocol.h"

#include <stdbool.h>
#include <sys/resource.h>

void reply_ready(void);
void reply_started(const struct message_header *request, int32_t process, uint32_t age);

/* Goes at once.  The client's descriptor stays the caller's. */
void reply_failed(const struct message_header *request, int error, int client);

void reply_exited(uint32_t client, uint64_t ticket, int status, const struct rusage *usage);
void reply_signalled(const struct message_signal *request);
void reply_forked(const struct message_header *request, int32_t process, int error);

/* Goes at once.  `descriptor` stays the caller's; -1 if there is only an error. */
void reply_content(const struct message_read *request, int descriptor, int error);

void reply_pong(const struct message_header *request);

/* Sends what has been gathered. */
void reply_flush(void);

/* Whether errno says that it is memory that the kernel lacks; if so, waits a moment for some to
 * come free. */
bool reply_lacks_memory(void);

/* The end of the process, as the supervisor does not listen any more. */
_Noreturn void reply_leave(void);

#endif
