/*
 * channel.h - the conversation with one dispatcher: sends it requests, hears its answers, and holds
 * it by the leash that protocol.h describes.
 *
 * Never blocks.  What the dispatcher says is not believed before it has been checked; one that says
 * what none may say is not heard any more.
 */
#ifndef SUPERVISOR_POOL_CHANNEL_H
#define SUPERVISOR_POOL_CHANNEL_H

#include "dispatcher/shared/wire.h"
#include "supervisor/base/loop.h"
#include "supervisor/pool/ends.h"
#include "supervisor/pool/requests.h"

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
    struct wire_outbox outbox; /* STARTs that are to be sent together; empty between rounds */
    struct wire_inbox inbox;   /* not empty only in the midst of channel_hear() */
    bool closed; /* end of file was read: no process has the dispatcher's end any more */
    bool distrusted;
    bool heard; /* it has said something sound; for whoever asks to set back */
};

/* Prepares one that is closed. */
void channel_prepare(struct channel *channel, struct loop *loop,
                     const struct channel_events *events);

/* Takes over both ends and the ledger and listens; if that fails, logs it and tells `broken`. */
void channel_open(struct channel *channel, const struct ends *ends);

/* Asks something but START, with the descriptors that the type brings, which stay the caller's.
 * Nothing may wait for channel_flush().  Returns 0, or -1 with errno and nothing asked. */
int channel_ask(struct channel *channel, const union message *request, const int *descriptors);

/* Has a START wait for channel_flush(), and enters it in `requests`; its slot is filled in, and
 * there must be one.  The descriptor stays the caller's, to be open until then and no longer. */
void channel_start(struct channel *channel, union message *start, int descriptor);

/* Sends the STARTs that wait, all together, and tells of each.  Returns 0, or -1 with errno and
 * none sent: they wait still. */
int channel_flush(struct channel *channel,
                  void (*each)(void *context, uint32_t client, uint64_t ticket), void *context);

/* Takes back the STARTs that wait, and tells of each. */
void channel_withdraw(struct channel *channel,
                      void (*each)(void *context, uint32_t client, uint64_t ticket), void *context);

/* Hears all that has been said. */
void channel_hear(struct channel *channel);

/* Has the kernel end the dispatcher; what it has said before can still be heard.  STARTs that wait
 * are not sent, and stay in `requests`. */
void channel_kill(struct channel *channel);

/* Wakes the dispatcher, should somebody have stopped it. */
void channel_rouse(struct channel *channel);

/* Once the dispatcher is dead: takes what it has left in the socket, with the connections that are
 * in there, into `requests`, and lets go of its end. */
void channel_empty(struct channel *channel);

/* Gives up our end and the ledger without closing them, for who is to watch the rest. */
void channel_leave(struct channel *channel);

/* Closes what is still open of it. */
void channel_close(struct channel *channel);

#endif
