#include "supervisor/base/list.h"

#include <stddef.h>

void list_open(struct list *list)
{
    list->ends.previous = &list->ends;
    list->ends.next = &list->ends;
    list->length = 0;
}

static void insert_before(struct list *list, struct list_entry *place, struct list_entry *entry)
{
    entry->previous = place->previous;
    entry->next = place;
    place->previous->next = entry;
    place->previous = entry;
    list->length++;
}

void list_append(struct list *list, struct list_entry *entry)
{
    insert_before(list, &list->ends, entry);
}

void list_insert(struct list *list, struct list_entry *before, struct list_entry *entry)
{
    insert_before(list, before == NULL ? list->ends.next : before->next, entry);
}

void list_return(struct list *list, struct list_entry *entry)
{
    struct list_entry *place = list->ends.next;

    while (place != &list->ends && place->ticket < entry->ticket)
        place = place->next;
    insert_before(list, place, entry);
}

void list_remove(struct list *list, struct list_entry *entry)
{
    entry->previous->next = entry->next;
    entry->next->previous = entry->previous;
    entry->previous = NULL;
    entry->next = NULL;
    list->length--;
}

/* In both directions the list ends at the ring's own entry. */
static struct list_entry *unless_end(const struct list *list, struct list_entry *entry)
{
    return entry == &list->ends ? NULL : entry;
}

struct list_entry *list_first(const struct list *list)
{
    return unless_end(list, list->ends.next);
}

struct list_entry *list_last(const struct list *list)
{
    return unless_end(list, list->ends.previous);
}

struct list_entry *list_next(const struct list *list, const struct list_entry *entry)
{
    return unless_end(list, entry->next);
}

struct list_entry *list_previous(const struct list *list, const struct list_entry *entry)
{
    return unless_end(list, entry->previous);
}
