/*
 * list.h - a list of connections, in the order of their tickets or in another order.
 *
 * An entry is part of its owner's record and is in one list at most, so no operation allocates or
 * fails.  Each takes constant time, except that list_return() passes the entries with lower
 * tickets: the few that were returned too.
 */
#ifndef SUPERVISOR_BASE_LIST_H
#define SUPERVISOR_BASE_LIST_H

#include <stdint.h>

struct list_entry {
    struct list_entry *previous;
    struct list_entry *next;
    uint64_t ticket; /* set by the owner before the entry is inserted */
};

struct list {
    struct list_entry ends; /* a ring: `next` is the first entry, `previous` the last */
    uint32_t length;
};

void list_open(struct list *list);

/* Inserts an entry at the end. */
void list_append(struct list *list, struct list_entry *entry);

/* Inserts an entry behind `before`; if that is NULL, as the first. */
void list_insert(struct list *list, struct list_entry *before, struct list_entry *entry);

/* Inserts an entry in the order of tickets. */
void list_return(struct list *list, struct list_entry *entry);

/* Removes an entry of this list. */
void list_remove(struct list *list, struct list_entry *entry);

/* Return the first or last entry, or the one after or before an entry; NULL if there is none. */
struct list_entry *list_first(const struct list *list);
struct list_entry *list_last(const struct list *list);
struct list_entry *list_next(const struct list *list, const struct list_entry *entry);
struct list_entry *list_previous(const struct list *list, const struct list_entry *entry);

#endif
