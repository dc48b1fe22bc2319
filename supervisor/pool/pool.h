/*
 * pool.h - the dispatchers: gives STARTs to them, and knows their handlers.
 *
 * Each START that pool_start() accepts is answered exactly once: by `started`, `failed` or
 * `returned` of struct pool_events.  That holds whichever process is killed, and whenever.  Only
 * pool_close() leaves STARTs unanswered.  A dispatcher that violates the protocol is killed and
 * replaced; it can harm only its own clients.
 *
 * The pool starts, kills and reaps no process.  The keeper does: the caller passes its reports to
 * pool_begin() and pool_died(), and `kill` and `signal` of struct pool_events to it.  The keeper
 * counts the dispatchers that it starts at each index; that number is the generation.
 *
 * The connection passed to pool_start() stays the caller's, and must be open until `delivered` or
 * `returned`.  Descriptors that callbacks pass are the receiver's.
 *
 * struct pool (dispatcher.h) is the caller's, must be zero before pool_open(), and must not move.
 *
 * Only pool_await() waits, and for a bounded time.  Times are microseconds of the loop's clock.
 *
 * The rules come from dispatcher/protocol.h, and from the manual pages that it names.
 */
#ifndef SUPERVISOR_POOL_POOL_H
#define SUPERVISOR_POOL_POOL_H

#include "supervisor/pool/dispatcher.h"

#include <sys/resource.h>

/* Prepares `count` dispatchers, which do not exist yet.  `descriptors` is RLIMIT_NOFILE of a
 * dispatcher. */
void pool_open(struct pool *pool, struct loop *loop, struct pool_books *books, unsigned count,
               rlim_t descriptors, const struct pool_events *events);

/* Takes the place of an earlier supervisor: opens the channels of all dispatchers in the books, and
 * calls the roll.  To be called after pool_open(), and before pool_recall_start().  Returns 0, or
 * -1 with errno: then this supervisor knows too little, and another one must begin. */
int pool_recall(struct pool *pool);

/* Returns true if there is this dispatcher. */
bool pool_knows(const struct pool *pool, unsigned index, uint32_t generation);

/* Takes over a START of the earlier supervisor, which it had sent or was about to send.  It will be
 * answered.  Returns false if its dispatcher is not in the books. */
bool pool_recall_start(struct pool *pool, unsigned index, uint32_t generation, unsigned slot,
                       uint32_t client, uint64_t ticket);

/* Returns true until all dispatchers have answered the roll call, or are dead. */
bool pool_is_rolling(const struct pool *pool);

/* Takes note that the keeper has started a dispatcher where there is none.  Takes its descriptors
 * over (channel.h); if they cannot be used, has the dispatcher killed.  Closes them if an earlier
 * supervisor has taken note of this dispatcher already. */
void pool_begin(struct pool *pool, unsigned index, uint32_t generation, pid_t process,
                const int descriptors[CHANNEL_DESCRIPTORS]);

/* At the start only: runs the loop, which must watch the keeper's reports, until a dispatcher has
 * begun and all that have begun are ready; ten seconds at most.  Returns 0; or -1, after logging
 * which one died or did not become ready, or if anything else has stopped the loop. */
int pool_await(struct pool *pool);

/* Takes note that the keeper has reaped a dispatcher; `status` is that of wait(2).  Decides its
 * STARTs.  Does nothing if that generation is not there. */
void pool_died(struct pool *pool, unsigned index, uint32_t generation, int status);

/* Takes note that a dispatcher was stopped or continued. */
void pool_stopped(struct pool *pool, unsigned index, uint32_t generation, bool stopped);

/* Returns true if a dispatcher can start handlers: it is ready, or was called in a roll call; it is
 * not stopped, and has not been silent for two seconds. */
bool pool_can_serve(const struct pool *pool);

/* Closes all that is open.  The dispatchers exit when no process holds the supervisor's ends. */
void pool_close(struct pool *pool);

/* Returns how many dispatchers are ready. */
unsigned pool_ready(const struct pool *pool);

/* ---- requests ---- */

/* Returns how many STARTs the dispatchers can take now. */
unsigned pool_room(const struct pool *pool);

/* Gives a START to the dispatcher with the fewest unanswered ones, to be sent by pool_flush(): so a
 * stuck dispatcher fills up only when the others do.  A dispatcher whose start has just failed
 * comes last.  Returns the dispatcher; NULL if none has room; an event tells when one has room
 * again. */
const struct dispatcher *pool_start(struct pool *pool, union message *start, int descriptor);

/* Sends all STARTs, in one packet for each dispatcher.  Returns 0, or -1 with errno if at least
 * one of them was `returned`; it may be tried again. */
int pool_flush(struct pool *pool);

/* Has a dispatcher signal the process group of a client's handler.  Returns 0, or -1 with errno;
 * ESRCH if that dispatcher is not ready. */
int pool_signal(struct pool *pool, unsigned dispatcher, const struct message_header *client,
                int32_t process, int signal_number);

/* Signals the process group of the process that a START has led to, as far as the ledger shows: by
 * the dispatcher; or, if that is dead, by the keeper (`signal`).  Returns the process; 0: there is
 * none, or it cannot be signalled now. */
int32_t pool_signal_start(struct pool *pool, unsigned index, const struct message_header *start,
                          int signal_number);

/* Asks the keeper, by `signal`, to signal each child of a dead dispatcher that may be between clone
 * and exec. */
void pool_signal_left(const struct pool *pool, int signal_number);

/* Sends PING to each ready dispatcher that owes no answer. */
void pool_ping(struct pool *pool);

/* Returns true if any dispatcher has sent a valid message since the last call. */
bool pool_has_answered(struct pool *pool);

/* Allows `allowed` microseconds for each answer from now on, for pending ones too.  A dispatcher
 * that takes longer is killed, and its handlers become children of the keeper. */
void pool_hurry(struct pool *pool, uint64_t allowed);

/* Makes room for a handler when no more processes are allowed: has an idle dispatcher killed,
 * except the last ready one.  Must not be called from a callback. */
void pool_give_way(struct pool *pool);

/* Takes note that the keeper has reaped a process that was no dispatcher.  Returns the unanswered
 * START that led to it, or NULL. */
const struct starts_slot *pool_ended_start(struct pool *pool, pid_t process);

#endif
