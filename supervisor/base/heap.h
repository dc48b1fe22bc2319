/*
 * heap.h - a priority queue: finds the entry with the lowest key.
 *
 * An entry is part of its owner's record and knows its place, so it can be removed from anywhere.
 * Each entry has four children, because that touches less memory than two.  Each operation takes
 * logarithmic time.  The order of entries with equal keys is undefined.
 */
#ifndef SUPERVISOR_BASE_HEAP_H
#define SUPERVISOR_BASE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

enum { HEAP_OUTSIDE = UINT32_MAX }; /* place of an entry that is in no heap */

struct heap_entry {
    uint64_t key;
    uint32_t place;
};

/* Keys are copied beside the pointers, so that comparing them does not touch the records. */
struct heap_item {
    uint64_t key;
    struct heap_entry *entry;
};

/* All zero: no entries. */
struct heap {
    struct heap_item *items;
    uint32_t length;
    uint32_t capacity;
};

/* Makes room for `count` entries in all.  Returns 0, or -1 with errno. */
int heap_reserve(struct heap *heap, uint32_t count);

/* Removes all entries, and releases the memory. */
void heap_close(struct heap *heap);

/* Inserts an entry that is in no heap; heap_reserve() must have made room. */
void heap_insert(struct heap *heap, struct heap_entry *entry, uint64_t key);

/* Removes an entry of this heap. */
void heap_remove(struct heap *heap, struct heap_entry *entry);

/* Gives an entry of this heap a new key. */
void heap_change(struct heap *heap, struct heap_entry *entry, uint64_t key);

/* Returns the entry with the lowest key; NULL if the heap is empty. */
struct heap_entry *heap_first(const struct heap *heap);

#endif
