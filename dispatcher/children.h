/*
 * children.h - which handler is which client's: process id to client and ticket.
 *
 * Only children that have not been reaped are in it, so that a process id found here is safe to
 * signal.  Constant time; memory grows with the most children at once.
 */
#ifndef DISPATCHER_CHILDREN_H
#define DISPATCHER_CHILDREN_H

#include <stdbool.h>
#include <stdint.h>

struct child_record {
    int32_t process; /* 0: this place is free */
    uint32_t client;
    uint64_t ticket;
};

/* Makes sure that one more child can be added.  Returns 0, or -1 with errno ENOMEM. */
int children_reserve(void);

/* Adds a child; children_reserve() must have succeeded since the last call. */
void children_add(struct child_record child);

/* The record of a process, or NULL; valid until the next change. */
const struct child_record *children_find(int32_t process);

/* Forgets all, in a process that was forked off: they are not its children. */
void children_forget(void);

/* Takes a reaped child out.  Returns whether it was there, with its record in *child. */
bool children_remove(int32_t process, struct child_record *child);

#endif
