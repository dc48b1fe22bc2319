/*
 * pool.h - the dispatchers: gives STARTs to them, replaces dead ones, and knows their children.
 *
 * Each START that pool_start() accepts is answered exactly once: by `started`, `failed` or
 * `returned` of struct pool_events.  That holds whichever process is killed, and whenever.  Only
 * pool_close() leaves STARTs unanswered.  A dispatcher that violates the protocol is killed and
 * replaced; it can harm only its own clients.
 *
 * One dispatcher, the spare, takes no clients, so that none holds it up.  It is the first choice
 * to fork dispatchers and to signal orphans, and the only one that reads files.
 *
 * The connection passed to pool_start() stays the caller's, and must be open until `delivered` or
 * `returned`.  Descriptors that callbacks pass are the receiver's.
 *
 * struct pool (dispatcher.h) is the caller's, must be zero before pool_open(), and must not move.
 * The caller looks at `unsignalled` and `lost` after each round of events.
 *
 * Only pool_open() and pool_close() wait, and for a bounded time.  Times are microseconds of the
 * loop's clock.
 *
 * The rules come from dispatcher/protocol.h, and from the manual pages that it names.
 */
#ifndef SUPERVISOR_POOL_POOL_H
#define SUPERVISOR_POOL_POOL_H

#include "supervisor/pool/dispatcher.h"

#include <sys/resource.h>

/* How the spare is started when nothing can fork it yet. */
struct pool_launch {
    /* Starts the dispatcher's program with the end `peer` and the ledger `memory`, after sending
     * its setup to `socket`.  All three stay the pool's.  Returns its process, or -1 with errno. */
    pid_t (*spare)(void *context, int socket, int peer, int memory);
    void *context;
    rlim_t descriptors; /* RLIMIT_NOFILE of a dispatcher */
};

/* Starts the spare, lets it fork `count` dispatchers, and waits at most ten seconds until all are
 * ready.  If only some can be forked, one at least, they serve, and the others are forked later.
 * Returns 0, or -1 after logging why not. */
int pool_open(struct pool *pool, struct loop *loop, const struct pool_launch *launch,
              unsigned count, const struct pool_events *events);

/* Kills and reaps all dispatchers, but waits no more than a second for one that does not die. */
void pool_close(struct pool *pool);

/* Returns how many dispatchers that take clients are ready. */
unsigned pool_ready(const struct pool *pool);

/* ---- requests ---- */

/* Returns how many STARTs the dispatchers can take now. */
unsigned pool_room(const struct pool *pool);

/* Gives a START to the dispatcher with the fewest unanswered ones, to be sent by pool_flush(): so a
 * stuck dispatcher fills up only when the others do.  A dispatcher whose start has just failed
 * comes last.  Returns false if none has room; an event tells when one has room again. */
bool pool_start(struct pool *pool, union message *start, int descriptor);

/* Sends all STARTs, in one packet for each dispatcher.  Returns 0, or -1 with errno if at least
 * one of them was `returned`; it may be tried again. */
int pool_flush(struct pool *pool);

/* Has the process group of a client's handler signalled: by its dispatcher, or by any, if the
 * dispatcher is POOL_ORPHANED.  Returns 0, or -1 with errno; ESRCH if that dispatcher, or none, is
 * ready. */
int pool_signal(struct pool *pool, unsigned dispatcher, const struct message_header *client,
                int32_t process, int signal_number);

/* Has the children of dead dispatchers that are between clone and exec signalled, as far as
 * possible. */
void pool_signal_left(struct pool *pool, int signal_number);

/* Has the spare read a file.  Returns 0, or -1 with errno; ESRCH if the spare is not ready. */
int pool_read(struct pool *pool, enum protocol_file file);

/* Sends PING to each ready dispatcher that owes no answer. */
void pool_ping(struct pool *pool);

/* Returns true if any dispatcher has sent a valid message since the last call. */
bool pool_has_answered(struct pool *pool);

/* Returns true if a signal to children of this process may be on its way. */
bool pool_is_signalling(const struct pool *pool);

/* Continues dispatchers that were stopped, because handlers are signalled and reported by them. */
void pool_rouse(struct pool *pool);

/* Allows `allowed` microseconds for each answer from now on, for pending ones too.  A dispatcher
 * that takes longer is killed, and its handlers become children of this process. */
void pool_hurry(struct pool *pool, uint64_t allowed);

/* Makes room for a handler when no more processes are allowed: kills an idle dispatcher, except the
 * spare and the last other one, and starts none for a minute, unless none is ready.  Must not be
 * called from a callback. */
void pool_give_way(struct pool *pool);

/* From now on replaces no dead dispatcher except the spare, because no client will be started. */
void pool_stop_replacing(struct pool *pool);

/* ---- children of this process ---- */

/* Reaps dead dispatchers.  Call it before reaping other children, so that the pool knows which of
 * them are handlers. */
void pool_reap(struct pool *pool);

/* Takes note of a reaped process; returns false if it was no dispatcher. */
bool pool_reaped(struct pool *pool, pid_t process, int status);

/* Takes note of a reaped process that was no dispatcher.  Returns the unanswered START that led to
 * it, or NULL. */
const struct starts_slot *pool_reaped_start(struct pool *pool, pid_t process);

#endif
