/*
 * ends.h - what joins the supervisor and one dispatcher: both ends of a socket pair, and a ledger.
 */
#ifndef SUPERVISOR_POOL_ENDS_H
#define SUPERVISOR_POOL_ENDS_H

#include "dispatcher/protocol.h"

struct ends {
    int socket;            /* our end */
    int peer;              /* the dispatcher's end; we keep a copy, to hold it by and to empty it */
    int memory;            /* of the ledger; only until the dispatcher has it */
    struct ledger *ledger; /* mapped */
};

/* Descriptors that are kept open for nothing else than to be free when they are needed, so that a
 * dispatcher can be replaced when clients have all others. */
struct ends_reserve {
    int descriptors[3]; /* 0: not had */
};

/* Takes the reserve, as far as there are descriptors. */
void ends_keep(struct ends_reserve *reserve);

/* Opens all of it, out of the reserve if need be; everything is the caller's to close and unmap,
 * the reserve to be kept anew.  Returns 0, or -1 with errno and nothing opened. */
int ends_open(struct ends *ends, struct ends_reserve *reserve);

/* Closes and unmaps all of it. */
void ends_close(struct ends *ends);

#endif
