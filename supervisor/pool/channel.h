/*
 * channel.h - the wire to one dispatcher: its socket and its ledger, the requests that wait for an
 * answer, and the leash that protocol.h describes.
 *
 * Nothing here blocks.  A message counts only after it has been checked against the requests.
 * After a message that is not allowed, the channel reads no more.
 */
#ifndef SUPERVISOR_POOL_CHANNEL_H
#define SUPERVISOR_POOL_CHANNEL_H

#include "dispatcher/shared/wire.h"
#include "supervisor/base/loop.h"
#include "supervisor/pool/starts.h"

#include <stdbool.h>
#include <stdint.h>

/* What connects the supervisor and one dispatcher. */
struct channel_ends {
    int socket;            /* our end */
    int peer;              /* our copy of the dispatcher's end: for the leash, and to empty it */
    int memory;            /* the ledger's file; closed once the dispatcher has it */
    struct ledger *ledger; /* mapped */
};

/* Spare descriptors: they make room to replace a dispatcher while clients hold all others. */
struct channel_reserve {
    int descriptors[3]; /* 0: none */
};

/* Fills the reserve as far as possible. */
void channel_fill_reserve(struct channel_reserve *reserve);

/* Empties the reserve and opens both ends and the ledger, for the caller to close.  Returns 0, or
 * -1 with errno and nothing open. */
int channel_open_ends(struct channel_ends *ends, struct channel_reserve *reserve);

/* Closes and unmaps what is open, and keeps errno. */
void channel_close_ends(struct channel_ends *ends);

/* The requests that are not answered. */
struct channel_requests {
    struct starts starts;
    uint32_t signals; /* to the dispatcher's children */
    uint32_t adopted; /* signals to children of this process */
    uint32_t forks;
    uint32_t reads[PROTOCOL_FILES];
    uint32_t pings;
};

struct channel {
    struct loop *loop;
    struct loop_source source; /* our end; the descriptor is -1 if the channel is closed */
    int peer;                  /* the dispatcher's end; -1 once the dispatcher is dead */
    struct channel_requests requests;
    struct wire_outbox outbox; /* STARTs for one packet; empty between rounds */
    struct wire_inbox inbox;
    bool closed;     /* end of file was read: no process has the dispatcher's end */
    bool distrusted; /* the dispatcher violated the protocol */
};

/* Prepares a closed channel; `ready` is called when a message has come. */
void channel_prepare(struct channel *channel, struct loop *loop, void (*ready)(void *context),
                     void *context);

/* Takes over both ends and the ledger, and watches for messages.  Returns 0, or -1 with errno: the
 * channel is open, but does not watch. */
int channel_open(struct channel *channel, const struct channel_ends *ends);

/* Gives up our end and the ledger of a dead dispatcher without closing them. */
void channel_leave(struct channel *channel);

/* Closes what is open. */
void channel_close(struct channel *channel);

/* ---- requests ---- */

/* Sends a request other than START with the descriptors that its type brings, which stay the
 * caller's.  No START may wait.  Returns 0, or -1 with errno and nothing sent. */
int channel_ask(struct channel *channel, const union message *request, const int *descriptors);

/* Makes a START wait for channel_flush(), and fills in its slot, which must exist.  The descriptor
 * stays the caller's, and must be open until then. */
void channel_start(struct channel *channel, union message *start, int descriptor);

/* Sends the waiting STARTs in one packet: they are `delivered`.  Returns 0, or -1 with errno: all
 * wait as before. */
int channel_flush(struct channel *channel, const struct pool_events *events);

/* Removes the waiting STARTs: they are `undelivered`. */
void channel_withdraw(struct channel *channel, const struct pool_events *events);

/* Enters a request other than START. */
void channel_asked(struct channel *channel, const union message *request);

/* Removes the request that a message answers.  Returns false if there is none, or if the answer is
 * not a valid one. */
bool channel_answered(struct channel *channel, const union message *answer);

/* Returns true if the dispatcher owes an answer. */
bool channel_owes(const struct channel *channel);

/* ---- messages ---- */

enum channel_heard {
    CHANNEL_MESSAGE,  /* READY, EXITED, or a valid answer */
    CHANNEL_EMPTY,    /* no message has come, or the channel reads no more */
    CHANNEL_VIOLATED, /* a message was not allowed: the channel reads no more */
    CHANNEL_CLOSED,   /* end of file: the channel reads no more */
    CHANNEL_FAILED    /* the message cannot be read, as errno says */
};

/* Takes the next message.  *descriptor is what it brings, for the caller to close, or -1. */
enum channel_heard channel_hear(struct channel *channel, union message *message, int *descriptor);

/* Reads no more, because a message was not allowed. */
void channel_distrust(struct channel *channel);

/* ---- the leash ---- */

/* Makes the kernel kill the dispatcher.  Messages that it has sent can still be read.  Waiting
 * STARTs are not sent, and stay in `requests`. */
void channel_kill(struct channel *channel);

/* Continues the dispatcher, in case it was stopped. */
void channel_rouse(struct channel *channel);

/* Closes the end of a dead dispatcher, after taking the connections out of it into `requests`. */
void channel_empty(struct channel *channel);

#endif
