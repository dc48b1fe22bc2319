/*
 * queue.h - a list of connections, in the order of their tickets or another of its owner's.
 *
 * Intrusive: an entry lies inside its owner's record and is in one queue at most, so nothing is
 * allocated and nothing can fail.  Each operation takes constant time, but for queue_return(),
 * which looks at the entries with lower tickets only: the few that were returned as well.
 */
#ifndef SUPERVISOR_QUEUE_H
#define SUPERVISOR_QUEUE_H

#include <stdint.h>

struct queue_entry {
    struct queue_entry *previous;
    struct queue_entry *next;
    uint64_t ticket; /* set by the owner before the entry is put in */
};

struct queue {
    struct queue_entry ends; /* a ring: ends.next is the first, ends.previous the last */
    uint32_t length;
};

void queue_open(struct queue *queue);

/* Puts in an entry at the end. */
void queue_append(struct queue *queue, struct queue_entry *entry);

/* Puts in an entry behind another one; with NULL, as the first. */
void queue_insert(struct queue *queue, struct queue_entry *before, struct queue_entry *entry);

/* Puts an entry back to where it was by its ticket. */
void queue_return(struct queue *queue, struct queue_entry *entry);

/* Takes out an entry that is in this queue. */
void queue_remove(struct queue *queue, struct queue_entry *entry);

/* The first entry and the last; the one after an entry and the one before it.  NULL for none. */
struct queue_entry *queue_first(const struct queue *queue);
struct queue_entry *queue_last(const struct queue *queue);
struct queue_entry *queue_next(const struct queue *queue, const struct queue_entry *entry);
struct queue_entry *queue_previous(const struct queue *queue, const struct queue_entry *entry);

#endif
