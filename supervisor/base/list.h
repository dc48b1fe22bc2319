/*
 * list.h - a list of connections, in the order of their tickets or another of its owner's.
 *
 * Intrusive: an entry lies inside its owner's record and is in one list at most, so nothing is
 * allocated and nothing can fail.  Each operation takes constant time, but for list_return(),
 * which looks at the entries with lower tickets only: the few that were returned as well.
 */
#ifndef SUPERVISOR_BASE_LIST_H
#define SUPERVISOR_BASE_LIST_H

#include <stdint.h>

struct list_entry {
    struct list_entry *previous;
    struct list_entry *next;
    uint64_t ticket; /* set by the owner before the entry is put in */
};

struct list {
    struct list_entry ends; /* a ring: ends.next is the first, ends.previous the last */
    uint32_t length;
};

void list_open(struct list *list);

/* Puts in an entry at the end. */
void list_append(struct list *list, struct list_entry *entry);

/* Puts in an entry behind another one; with NULL, as the first. */
void list_insert(struct list *list, struct list_entry *before, struct list_entry *entry);

/* Puts an entry back to where it was by its ticket. */
void list_return(struct list *list, struct list_entry *entry);

/* Takes out an entry that is in this list. */
void list_remove(struct list *list, struct list_entry *entry);

/* The first entry and the last; the one after an entry and the one before it.  NULL for none. */
struct list_entry *list_first(const struct list *list);
struct list_entry *list_last(const struct list *list);
struct list_entry *list_next(const struct list *list, const struct list_entry *entry);
struct list_entry *list_previous(const struct list *list, const struct list_entry *entry);

#endif
