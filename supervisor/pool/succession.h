/*
 * succession.h - how dispatchers replace each other: the supervisor cannot start a process, so it
 * sends FORK to one that is ready.
 */
#ifndef SUPERVISOR_POOL_SUCCESSION_H
#define SUPERVISOR_POOL_SUCCESSION_H

#include "supervisor/pool/dispatcher.h"

/* Finds a ready dispatcher for a request that any can take: the first that owes no answer, or else
 * the one whose answer is due last.  Begins with the spare, or behind dispatcher `avoided`, which
 * comes last itself (-1: none).  Returns NULL if none is ready. */
struct dispatcher *succession_anybody(struct pool *pool, int avoided);

/* Has an absent dispatcher forked by another; the context is that dispatcher. */
void succession_restart(void *context);

/* Handles the answer to FORK. */
void succession_forked(struct dispatcher *parent, const struct message_forked *answer);

/* Gives up the dispatchers that a dead one was asked to fork, and reports `lost` if none is left.
 */
void succession_died(const struct dispatcher *dead);

#endif
