#include "dispatcher/children.h"

#include <stdlib.h>

/* Open addressing with linear probing; at most half full; the size is a power of two. */
static struct {
    struct child_record *places;
    uint32_t mask; /* size - 1 */
    uint32_t count;
} table;

enum { SMALLEST = 64 };

/* Returns the place of a process, or the free place where it belongs.  The kernel assigns process
 * ids in sequence: spread out, they form no long runs. */
static struct child_record *place_of(int32_t process)
{
    uint32_t i = ((uint32_t)process * 0x9e3779b1u >> 8) & table.mask;

    while (table.places[i].process != 0 && table.places[i].process != process)
        i = (i + 1) & table.mask;
    return &table.places[i];
}

int children_reserve(void)
{
    struct child_record *old = table.places;
    uint32_t old_size = old == NULL ? 0 : table.mask + 1;
    uint32_t size = old == NULL ? SMALLEST : old_size * 2;
    struct child_record *places;

    if (old != NULL && (table.count + 1) * 2 <= old_size)
        return 0;
    places = calloc(size, sizeof(*places));
    if (places == NULL)
        return -1;
    table.places = places;
    table.mask = size - 1;
    for (uint32_t i = 0; i < old_size; i++)
        if (old[i].process != 0)
            *place_of(old[i].process) = old[i];
    free(old);
    return 0;
}

void children_add(struct child_record child)
{
    *place_of(child.process) = child;
    table.count++;
}

const struct child_record *children_find(int32_t process)
{
    const struct child_record *place;

    if (table.places == NULL || process <= 0)
        return NULL;
    place = place_of(process);
    return place->process == process ? place : NULL;
}

void children_each(void (*each)(const struct child_record *child))
{
    for (uint32_t i = 0; table.places != NULL && i <= table.mask; i++)
        if (table.places[i].process != 0)
            each(&table.places[i]);
}

void children_remove(int32_t process)
{
    const struct child_record *found = children_find(process);
    uint32_t i;

    if (found == NULL)
        return;
    i = (uint32_t)(found - table.places);
    table.places[i].process = 0;
    table.count--;
    /* The records behind the gap must be reachable from their homes without passing it. */
    for (i = (i + 1) & table.mask; table.places[i].process != 0; i = (i + 1) & table.mask) {
        const struct child_record moved = table.places[i];

        table.places[i].process = 0;
        *place_of(moved.process) = moved;
    }
}
