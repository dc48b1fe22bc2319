/*
 * succession.h - who forks whom: this process cannot start dispatchers any more, so they do it for
 * each other.
 */
#ifndef SUPERVISOR_POOL_SUCCESSION_H
#define SUPERVISOR_POOL_SUCCESSION_H

#include "supervisor/pool/pool.h"

/* What dispatchers need of each other, for pool_open(). */
extern const struct dispatcher_family succession;

#endif
