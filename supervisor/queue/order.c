#include "supervisor/queue/order.h"

#include <stddef.h>

enum { OPEN_KEPT = 64 /* room for this many open lines is kept */ };

int order_open(struct order *order, const struct options *options)
{
    *order = (struct order){
        .options = options,
        /* An operator asks for sources, and may limit them at any time. */
        .by_source = options->fair || options->per_source != UNLIMITED ||
                     options->per_source_queue != UNLIMITED || options->control != NULL ||
                     options->metrics != NULL,
        .common.place.place = HEAP_OUTSIDE,
    };
    list_open(&order->common.waiting);
    list_open(&order->aside);
    return !order->by_source ? 0
                             : sources_open(&order->sources, sizeof(struct order_line),
                                            options->ipv4_prefix, options->ipv6_prefix);
}

void order_close(struct order *order)
{
    heap_close(&order->open);
    sources_close(&order->sources);
}

int order_reserve(struct order *order)
{
    if (!order->by_source)
        return heap_reserve(&order->open, 1);
    if (sources_reserve(&order->sources) != 0)
        return -1;
    return heap_reserve(&order->open, sources_count(&order->sources) + 1);
}

/* ---- lines ---- */

uint32_t order_active(const struct order_line *line)
{
    return line->source.members - order_waiting(line);
}

uint32_t order_waiting(const struct order_line *line)
{
    return line->waiting.length + line->aside;
}

static uint32_t startable_of(const struct order *order, const struct order_line *line)
{
    uint32_t active = order_active(line);
    uint32_t most = order->options->per_source;
    uint32_t room = most > active ? most - active : 0;

    return line->waiting.length < room ? line->waiting.length : room;
}

/* Brings what depends on a line up to date; to be called after each change of the line. */
static void refresh(struct order *order, struct order_line *line)
{
    uint32_t startable = startable_of(order, line);
    bool is_open = line->place.place != HEAP_OUTSIDE;
    uint64_t key;

    order->startable += startable - line->startable;
    line->startable = startable;
    if (startable == 0) {
        if (is_open)
            heap_remove(&order->open, &line->place);
        return;
    }
    key = order->options->fair ? line->turn : list_first(&line->waiting)->ticket;
    if (!is_open)
        heap_insert(&order->open, &line->place, key);
    else if (line->place.key != key)
        heap_change(&order->open, &line->place, key);
}

/* The source is its first member, and sources_open() was told how much there is behind it. */
static struct order_line *line_with(struct source *source)
{
    return (struct order_line *)(void *)source;
}

static struct order_line *line_of(struct order *order, const struct endpoint *remote)
{
    struct order_line *line;

    if (!order->by_source)
        return &order->common;
    line = line_with(sources_find(&order->sources, remote));
    if (line->source.members == 0) {
        line->startable = 0;
        line->aside = 0;
        line->place.place = HEAP_OUTSIDE;
        list_open(&line->waiting);
    }
    return line;
}

/* ---- members ---- */

void order_join(struct order *order, struct order_member *member, const struct endpoint *remote)
{
    struct order_line *line = line_of(order, remote);

    member->line = line;
    line->source.members++;
    if (line->waiting.length == 0)
        line->turn = ++order->turns;
    list_append(&line->waiting, &member->entry);
    refresh(order, line);
}

void order_activate(struct order *order, struct order_member *member)
{
    list_remove(&member->line->waiting, &member->entry);
    member->line->turn = ++order->turns;
    refresh(order, member->line);
}

void order_return(struct order *order, struct order_member *member)
{
    list_return(&member->line->waiting, &member->entry);
    member->line->turn = 0; /* its source has waited for this turn already */
    refresh(order, member->line);
}

void order_step_aside(struct order *order, struct order_member *member)
{
    list_append(&order->aside, &member->entry);
    member->line->aside++;
    refresh(order, member->line);
}

static void end_aside(struct order *order, struct order_member *member)
{
    list_remove(&order->aside, &member->entry);
    member->line->aside--;
}

struct order_member *order_last_aside(const struct order *order)
{
    return (struct order_member *)list_last(&order->aside); /* its first member */
}

/* Members step aside in the order of their tickets, nearly.  If the last one rejoins first, no
 * member passes those that were aside with it. */
void order_rejoin(struct order *order, struct order_member *member)
{
    end_aside(order, member);
    if (member->line->waiting.length == 0)
        member->line->turn = ++order->turns;
    list_return(&member->line->waiting, &member->entry);
    refresh(order, member->line);
}

void order_leave(struct order *order, struct order_member *member, enum order_standing standing)
{
    struct order_line *line = member->line;

    if (standing == ORDER_WAITING)
        list_remove(&line->waiting, &member->entry);
    else if (standing == ORDER_ASIDE)
        end_aside(order, member);
    line->source.members--;
    refresh(order, line);
    if (line->source.members > 0 || line == &order->common)
        return;
    sources_forget(&order->sources, &line->source);
    if (sources_count(&order->sources) == 0 && order->open.capacity > OPEN_KEPT)
        heap_close(&order->open);
}

struct order_member *order_next(const struct order *order)
{
    struct heap_entry *first = heap_first(&order->open);
    struct order_line *line;

    if (first == NULL)
        return NULL;
    line = (struct order_line *)(void *)((char *)first - offsetof(struct order_line, place));
    return (struct order_member *)list_first(&line->waiting); /* its first member */
}

/* ---- all of them ---- */

void order_limit(struct order *order)
{
    struct source *source = NULL;

    while ((source = sources_next(&order->sources, source)) != NULL)
        refresh(order, line_with(source));
}

/* Puts a line into its place among the busiest, if it is one of them.  Returns their new count. */
static unsigned place(const struct order_line **busiest, unsigned count, unsigned most,
                      const struct order_line *line)
{
    unsigned at = count;

    while (at > 0 && busiest[at - 1]->source.members < line->source.members) {
        if (at < most)
            busiest[at] = busiest[at - 1];
        at--;
    }
    if (at < most)
        busiest[at] = line;
    return count < most ? count + 1 : count;
}

unsigned order_busiest(const struct order *order, const struct order_line **busiest, unsigned most)
{
    struct source *source = NULL;
    unsigned count = 0;

    while ((source = sources_next(&order->sources, source)) != NULL)
        count = place(busiest, count, most, line_with(source));
    return count;
}
