/*
 * channel.h - the conversation with one dispatcher: sends it requests, hears its answers, and holds
 * it by the leash that protocol.h describes.
 *
 * Never blocks.  What the dispatcher says is not believed before it has been checked; one that says
 * what none may say is not heard any more.
 */
#ifndef SUPERVISOR_CHANNEL_H
#define SUPERVISOR_CHANNEL_H

#include "supervisor/ends.h"
#include "supervisor/loop.h"
#include "supervisor/requests.h"

#include <stdbool.h>
#include <stdint.h>

/* What happens on it.  Messages have been held against what was asked. */
struct channel_events {
    /* It speaks for the first time: its process.  Returns whether that can be. */
    bool (*ready)(void *context, int32_t process);
    /* An answer, with the descriptor that it brings, the receiver's to close, or -1. */
    void (*answered)(void *context, const union message *message, int descriptor);
    /* A handler has ended.  Returns false if it has no such handler. */
    bool (*exited)(void *context, const struct message_exited *message);
    /* It is not to be believed or cannot be heard any more: it must be ended. */
    void (*broken)(void *context);
    void *context;
};

struct channel {
    struct loop *loop;
    struct channel_events events;
    struct loop_source source; /* our end; the descriptor is -1 if there is none */
    int peer;                  /* the dispatcher's end; -1 once it is dead */
    struct requests requests;
    bool closed; /* end of file was read: no process has the dispatcher's end any more */
    bool distrusted;
    bool heard; /* it has said something sound; for whoever asks to set back */
};

/* Prepares one that is closed. */
void channel_prepare(struct channel *channel, struct loop *loop,
                     const struct channel_events *events);

/* Takes over both ends and the ledger and listens; if that fails, logs it and tells `broken`. */
void channel_open(struct channel *channel, const struct ends *ends);

/* Asks something, with the descriptors that the type brings, which stay the caller's; a START's
 * slot is filled in.  Returns 0, or -1 with errno and nothing asked. */
int channel_ask(struct channel *channel, union message *request, const int *descriptors);

/* Hears all that has been said. */
void channel_hear(struct channel *channel);

/* Has the kernel end the dispatcher; what it has said before can still be heard. */
void channel_kill(struct channel *channel);

/* Wakes the dispatcher, should somebody have stopped it. */
void channel_rouse(struct channel *channel);

/* Once the dispatcher is dead: lets go of its end, with all that it had not read.  Requests that it
 * has not read hold copies of clients' descriptors, and a child of its whose exec hangs would keep
 * them open with its end of the socket: those clients would not see the end of their connections.
 */
void channel_empty(struct channel *channel);

/* Gives up our end and the ledger without closing them, for who is to watch the rest. */
void channel_leave(struct channel *channel);

/* Closes what is still open of it. */
void channel_close(struct channel *channel);

#endif
