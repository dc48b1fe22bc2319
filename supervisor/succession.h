/*
 * succession.h - who forks whom: this process cannot start dispatchers any more, so they do it for
 * each other.
 */
#ifndef SUPERVISOR_SUCCESSION_H
#define SUPERVISOR_SUCCESSION_H

#include "supervisor/pool.h"

/* What dispatchers need of each other; the context is to be the pool. */
extern const struct dispatcher_family succession;

/* Who can be asked for what any can do: the spare first, but who owes an answer last; NULL if
 * nobody is ready. */
struct dispatcher *succession_parent(struct pool *pool);

#endif
