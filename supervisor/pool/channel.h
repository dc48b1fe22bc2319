/*
 * channel.h - the wire to one dispatcher: its socket and its ledger, and the requests that wait for
 * an answer.
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

/* The answers that are due, besides those to STARTs. */
enum channel_answers { CHANNEL_SIGNALLED, CHANNEL_PONG, CHANNEL_ANSWERS };

struct channel {
    struct loop *loop;
    struct loop_source source; /* our end; the descriptor is -1 if the channel is closed */
    int peer;                  /* our copy of the dispatcher's end, to empty it after its death */
    int ledger;                /* the file of the ledger, for another supervisor to map */
    struct pool_known *known;  /* the same in memory that outlives this process */
    bool rolling;              /* ROLL was not answered yet: answers to another supervisor come */
    struct starts starts;
    uint32_t due[CHANNEL_ANSWERS];
    struct wire_outbox outbox; /* STARTs for one packet; empty between rounds */
    struct wire_inbox inbox;
    bool closed;     /* end of file was read */
    bool distrusted; /* a message was not allowed: no more is read */

    struct channel *left;  /* memory for channel_leave(), so that it cannot lack memory */
    struct channel **list; /* of channel_leave() */
    struct channel *next;
};

/* Prepares a closed channel of a dispatcher. */
void channel_prepare(struct channel *channel, struct loop *loop, const struct pool_events *events,
                     struct pool_known *known, void (*ready)(void *context), void *context);

/* Opens a closed channel and watches it.  Takes the descriptors over; -1: this process had no room
 * for it.  Returns 0, or -1 with errno and nothing open. */
int channel_open(struct channel *channel, const int descriptors[CHANNEL_DESCRIPTORS]);

/* Opens a closed channel that an earlier supervisor had open.  Returns 0, or -1 with errno: then
 * the descriptors are as before, and `known`, for the next supervisor. */
int channel_reopen(struct channel *channel, const int descriptors[CHANNEL_DESCRIPTORS]);

/* Closes what is open and forgets all requests.  Keeps errno. */
void channel_close(struct channel *channel);

/* ---- requests ---- */

/* Sends a request other than START.  No START may wait.  Returns 0, or -1 with errno and nothing
 * sent. */
int channel_ask(struct channel *channel, const union message *request);

/* Makes a START wait for channel_flush(), and fills in its slot, which must exist.  The descriptor
 * stays the caller's, and must be open until then. */
void channel_start(struct channel *channel, union message *start, int descriptor);

/* Sends the waiting STARTs in one packet: they are `delivered`.  Returns 0, or -1 with errno: all
 * wait as before. */
int channel_flush(struct channel *channel);

/* Removes the waiting STARTs: they are `returned`. */
void channel_withdraw(struct channel *channel);

/* Sends no more.  The dispatcher exits once it has read what was sent.  Waiting STARTs are not
 * sent, and stay in `starts`. */
void channel_finish(struct channel *channel);

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

/* ---- after the death of the dispatcher ---- */

/* Closes the dispatcher's end, after taking the connections out of it into `starts`. */
void channel_empty(struct channel *channel);

/* The following concern its children between clone and exec, which are children of the keeper now.
 * A child whose exec fails sends FAILED and returns the connection.  Until its exec succeeds, a
 * child holds the dispatcher's end of the socket; so once the socket reads end of file, all other
 * children are handlers.  On a dead file system that takes long, and the dispatcher's successor
 * must not wait for it. */

/* Moves what is left of a dead dispatcher's channel to `list`, and watches it until all its STARTs
 * are decided.  The channel is closed then.  Returns 0, or -1 with errno and nothing moved. */
int channel_leave(struct channel *channel, struct channel **list, struct pool_books *books);

/* Opens what an earlier supervisor has left of a dead dispatcher, and adds it to `list`.  Returns
 * NULL with errno, as channel_reopen() fails. */
struct channel *channel_recall(struct loop *loop, const struct pool_events *events,
                               struct pool_known *known, struct channel **list);

/* Closes all of a list without decisions. */
void channel_close_left(struct channel **list);

#endif
