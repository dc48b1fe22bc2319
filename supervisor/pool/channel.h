/*
 * channel.h - the wire to one dispatcher: its socket and its ledger, the requests that wait for an
 * answer, and the leash that protocol.h describes.
 *
 * channel_flush() hands packets to wire_flush() (dispatcher/shared/wire.h), which sends them by
 * rights_send() (dispatcher/shared/rights.c): there is the sendmsg(2).
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

/* Spare descriptors make room to replace a dispatcher while clients hold all others. */
enum { CHANNEL_RESERVE = 3 };

/* Fills the reserve as far as possible.  An element is 0 if there is no descriptor. */
void channel_fill_reserve(int reserve[CHANNEL_RESERVE]);

/* The answers that are due, besides those to STARTs. */
enum channel_answers {
    CHANNEL_SIGNALLED, /* children of the dispatcher */
    CHANNEL_ADOPTED,   /* signalled, children of this process */
    CHANNEL_FORKED,
    CHANNEL_PONG,
    CHANNEL_CONTENT, /* plus an enum protocol_file */
    CHANNEL_ANSWERS = CHANNEL_CONTENT + PROTOCOL_FILES
};

struct channel {
    struct loop *loop;
    struct loop_source source; /* our end; the descriptor is -1 if the channel is closed */
    int peer;                  /* our copy of the dispatcher's end, for the leash and to empty it;
                                * -1 once the dispatcher is dead */
    int memory;                /* the ledger's file; -1 once the dispatcher has it */
    struct starts starts;
    uint32_t due[CHANNEL_ANSWERS];
    struct wire_outbox outbox; /* STARTs for one packet; empty between rounds */
    struct wire_inbox inbox;
    bool closed;     /* end of file was read: no process has the dispatcher's end */
    bool distrusted; /* the dispatcher violated the protocol */

    struct channel *left;  /* memory for channel_leave(), so that it cannot lack memory */
    struct channel **list; /* of channel_leave() */
    struct channel *next;
};

/* Empties the reserve and opens both ends and the ledger of a closed channel.  Returns 0, or -1
 * with errno and nothing open. */
int channel_open(struct channel *channel, int reserve[CHANNEL_RESERVE]);

/* Closes what is open and forgets all requests.  Keeps errno. */
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
int channel_flush(struct channel *channel);

/* Removes the waiting STARTs: they are `returned`. */
void channel_withdraw(struct channel *channel);

/* Removes the request that a message answers.  Returns false if there is none, or if the answer is
 * not a valid one. */
bool channel_answered(struct channel *channel, const union message *answer);

/* Returns true if the dispatcher owes an answer. */
bool channel_owes(const struct channel *channel);

/* ---- messages ---- */

/* Takes the next message, like wire_receive().  WIRE_MESSAGE means READY, EXITED, or a valid
 * answer; *descriptor is what it brings, for the caller to close, or -1.  After WIRE_MALFORMED and
 * WIRE_CLOSED the channel reads no more: WIRE_EMPTY follows. */
enum wire_result channel_hear(struct channel *channel, union message *message, int *descriptor);

/* Reads no more, because a message was not allowed. */
void channel_distrust(struct channel *channel);

/* ---- the leash ---- */

/* Makes the kernel kill the dispatcher.  Messages that it has sent can still be read.  Waiting
 * STARTs are not sent, and stay in `starts`. */
void channel_kill(struct channel *channel);

/* Continues the dispatcher, in case it was stopped. */
void channel_rouse(struct channel *channel);

/* Closes the end of a dead dispatcher, after taking the connections out of it into `starts`. */
void channel_empty(struct channel *channel);

/* ---- a dead dispatcher's children between clone and exec ----
 *
 * They are children of this process now.  A child whose exec fails sends FAILED and returns the
 * connection.  Until its exec succeeds, a child holds the dispatcher's end of the socket; so once
 * the socket reads end of file, all other children are handlers.  On a dead file system that takes
 * long, and the dispatcher's successor must not wait for it. */

/* Moves what is left of a dead dispatcher's channel to `list`, and watches it until all its STARTs
 * are decided.  The channel is closed then.  Returns 0, or -1 with errno and nothing moved. */
int channel_leave(struct channel *channel, struct channel **list);

/* Closes all of a list without decisions. */
void channel_close_left(struct channel **list);

#endif
