/*
 * children.h - maps the process id of a handler to its client and ticket.
 *
 * The table has only children that have not been reaped, so a process id found here is safe to
 * signal.  Constant time; memory grows with the peak number of children.
 */
#ifndef DISPATCHER_CHILDREN_H
#define DISPATCHER_CHILDREN_H

#include <stdint.h>

struct child_record {
    int32_t process; /* 0: the place is free */
    uint32_t client;
    uint64_t ticket;
};

/* Makes room for one more child.  Returns 0, or -1 with errno ENOMEM. */
int children_reserve(void);

/* Adds a child; requires a children_reserve() since the last call. */
void children_add(struct child_record child);

/* Returns the record of a process, or NULL; valid until the next change. */
const struct child_record *children_find(int32_t process);

/* Calls `each` for all children. */
void children_each(void (*each)(const struct child_record *child));

/* Removes a reaped child, if it is in the table. */
void children_remove(int32_t process);

#endif
