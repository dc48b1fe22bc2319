#include "supervisor/base/heap.h"

#include <stdlib.h>

enum { CHILDREN = 4 };

int heap_reserve(struct heap *heap, uint32_t count)
{
    struct heap_item *items;

    if (count <= heap->capacity)
        return 0;
    items = reallocarray(heap->items, 2 * (size_t)count, sizeof(*items));
    if (items == NULL)
        return -1;
    heap->items = items;
    heap->capacity = 2 * count;
    return 0;
}

void heap_close(struct heap *heap)
{
    free(heap->items);
    *heap = (struct heap){0};
}

static void put(struct heap *heap, uint32_t place, struct heap_item item)
{
    heap->items[place] = item;
    item.entry->place = place;
}

/* Puts an item at a free place or above it. */
static void put_upwards(struct heap *heap, uint32_t place, struct heap_item item)
{
    while (place > 0) {
        uint32_t parent = (place - 1) / CHILDREN;

        if (heap->items[parent].key <= item.key)
            break;
        put(heap, place, heap->items[parent]);
        place = parent;
    }
    put(heap, place, item);
}

/* Returns the place of the child with the lowest key; `first` is that of the first child. */
static uint32_t lowest_child(const struct heap *heap, uint32_t first)
{
    uint32_t lowest = first;

    for (uint32_t child = first + 1; child < heap->length && child < first + CHILDREN; child++)
        if (heap->items[child].key < heap->items[lowest].key)
            lowest = child;
    return lowest;
}

/* Puts an item at a free place or below it. */
static void put_downwards(struct heap *heap, uint32_t place, struct heap_item item)
{
    while (CHILDREN * place + 1 < heap->length) {
        uint32_t child = lowest_child(heap, CHILDREN * place + 1);

        if (item.key <= heap->items[child].key)
            break;
        put(heap, place, heap->items[child]);
        place = child;
    }
    put(heap, place, item);
}

static void put_near(struct heap *heap, uint32_t place, struct heap_item item)
{
    if (place > 0 && item.key < heap->items[(place - 1) / CHILDREN].key)
        put_upwards(heap, place, item);
    else
        put_downwards(heap, place, item);
}

void heap_insert(struct heap *heap, struct heap_entry *entry, uint64_t key)
{
    entry->key = key;
    heap->length++;
    put_upwards(heap, heap->length - 1, (struct heap_item){.key = key, .entry = entry});
}

void heap_remove(struct heap *heap, struct heap_entry *entry)
{
    uint32_t place = entry->place;

    entry->place = HEAP_OUTSIDE;
    heap->length--;
    if (place < heap->length)
        put_near(heap, place, heap->items[heap->length]);
}

void heap_change(struct heap *heap, struct heap_entry *entry, uint64_t key)
{
    entry->key = key;
    put_near(heap, entry->place, (struct heap_item){.key = key, .entry = entry});
}

struct heap_entry *heap_first(const struct heap *heap)
{
    return heap->length == 0 ? NULL : heap->items[0].entry;
}
