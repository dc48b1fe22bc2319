#include "supervisor/queue.h"

#include <stddef.h>

void queue_open(struct queue *queue)
{
    queue->ends.previous = &queue->ends;
    queue->ends.next = &queue->ends;
    queue->length = 0;
}

static void insert_before(struct queue *queue, struct queue_entry *place, struct queue_entry *entry)
{
    entry->previous = place->previous;
    entry->next = place;
    place->previous->next = entry;
    place->previous = entry;
    queue->length++;
}

void queue_append(struct queue *queue, struct queue_entry *entry)
{
    insert_before(queue, &queue->ends, entry);
}

void queue_insert(struct queue *queue, struct queue_entry *before, struct queue_entry *entry)
{
    insert_before(queue, before == NULL ? queue->ends.next : before->next, entry);
}

void queue_return(struct queue *queue, struct queue_entry *entry)
{
    struct queue_entry *place = queue->ends.next;

    while (place != &queue->ends && place->ticket < entry->ticket)
        place = place->next;
    insert_before(queue, place, entry);
}

void queue_remove(struct queue *queue, struct queue_entry *entry)
{
    entry->previous->next = entry->next;
    entry->next->previous = entry->previous;
    entry->previous = NULL;
    entry->next = NULL;
    queue->length--;
}

/* The ring's own entry is the end of the list in both directions. */
static struct queue_entry *unless_end(const struct queue *queue, struct queue_entry *entry)
{
    return entry == &queue->ends ? NULL : entry;
}

struct queue_entry *queue_first(const struct queue *queue)
{
    return unless_end(queue, queue->ends.next);
}

struct queue_entry *queue_last(const struct queue *queue)
{
    return unless_end(queue, queue->ends.previous);
}

struct queue_entry *queue_next(const struct queue *queue, const struct queue_entry *entry)
{
    return unless_end(queue, entry->next);
}

struct queue_entry *queue_previous(const struct queue *queue, const struct queue_entry *entry)
{
    return unless_end(queue, entry->previous);
}
