/*
 * heap.h - a priority queue: the entry with the lowest key first.
 *
 * Intrusive: an entry lies inside its owner's record and knows its place, so that it can be taken
 * out from anywhere.  A heap of which each entry has four others below it,
 * as that touches less memory than two; each operation takes time that grows with the logarithm of
 * the number of entries.  Entries with equal keys come in no particular order.
 */
#ifndef SUPERVISOR_BASE_HEAP_H
#define SUPERVISOR_BASE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

enum { HEAP_OUTSIDE = UINT32_MAX }; /* the place of an entry that is in no heap */

struct heap_entry {
    uint64_t key;
    uint32_t place;
};

/* The keys stand beside the pointers, so that comparing does not touch the owners' records. */
struct heap_item {
    uint64_t key;
    struct heap_entry *entry;
};

struct heap {
    struct heap_item *items;
    uint32_t length;
    uint32_t capacity;
};

void heap_open(struct heap *heap);

/* Makes room for so many entries.  Returns 0, or -1 with errno. */
int heap_reserve(struct heap *heap, uint32_t count);

/* Takes everything out, and releases the room. */
void heap_close(struct heap *heap);

/* Puts in an entry that is in no heap; there must be room. */
void heap_insert(struct heap *heap, struct heap_entry *entry, uint64_t key);

/* Takes out an entry that is in this heap. */
void heap_remove(struct heap *heap, struct heap_entry *entry);

/* Moves an entry that is in this heap to where a new key puts it. */
void heap_change(struct heap *heap, struct heap_entry *entry, uint64_t key);

/* The entry with the lowest key, or NULL. */
struct heap_entry *heap_first(const struct heap *heap);

#endif
