/*
 * order.h - the waiting clients, and whose turn it is.
 *
 * Clients wait in lines, and within a line in order of arrival.  If sources need not be told apart,
 * there is one line for all clients; otherwise one for each source.  A line is open while a client
 * waits in it and its source has fewer active members than it may have.  A heap holds the open
 * lines, and its first line has the turn:
 *
 *     in order of arrival   the line whose first client has the lowest ticket
 *     in fair order         the line whose last turn is longest ago; a line that opens anew comes
 *                           last, a line that was closed at its limit keeps its place
 *
 * A line takes memory while its source has members, waiting or active.  With one line each
 * operation takes constant time, otherwise O(log lines).
 */
#ifndef SUPERVISOR_QUEUE_ORDER_H
#define SUPERVISOR_QUEUE_ORDER_H

#include "supervisor/base/heap.h"
#include "supervisor/base/list.h"
#include "supervisor/base/unlimited.h"
#include "supervisor/queue/source.h"

#include <stdbool.h>
#include <stdint.h>

struct order_rules {
    bool fair;           /* sources in turn */
    bool by_source;      /* sources are told apart; otherwise the rest does not matter */
    uint32_t per_source; /* most active members of a source, or UNLIMITED */
    unsigned ipv4_length;
    unsigned ipv6_length;
};

/* The line of one source. */
struct order_line {
    struct source source; /* first: a source is the line; its members wait or are active */
    uint32_t startable;   /* waiting members that may become active */
    struct list waiting;
    uint64_t turn;           /* in fair order */
    struct heap_entry place; /* among the open lines */
};

/* Inside the owner's record of a client. */
struct order_member {
    struct list_entry entry; /* holds the ticket; the owner may use it while it does not wait */
    struct order_line *line;
};

struct order {
    struct order_rules rules;
    struct sources sources;
    struct order_line common; /* for all clients, if sources are not told apart */
    struct heap open;
    uint64_t turns;
    uint32_t startable; /* waiting members that the limit per source lets become active */
};

/* Returns 0, or -1 with errno. */
int order_open(struct order *order, const struct order_rules *rules);

/* Releases all memory; there are no members any more. */
void order_close(struct order *order);

/* Makes sure that order_join() will succeed.  Returns 0, or -1 with errno. */
int order_reserve(struct order *order);

/* Enters a member that waits, with a ticket higher than all before.  order_reserve() must have
 * succeeded since the last call. */
void order_join(struct order *order, struct order_member *member, const struct endpoint *remote);

/* Makes a waiting member active, usually the one whose turn it is. */
void order_activate(struct order *order, struct order_member *member);

/* Has an active member wait again, in its old place. */
void order_return(struct order *order, struct order_member *member);

/* Removes a waiting member, and an active member. */
void order_leave_waiting(struct order *order, struct order_member *member);
void order_leave_active(struct order *order, struct order_member *member);

/* Changes how many members of a source may be active; active members stay active.  O(sources). */
void order_set_per_source(struct order *order, uint32_t per_source);

/* Fills in up to `most` lines, those of the sources with most members first.  Returns how many; 0
 * if sources are not told apart.  O(sources). */
unsigned order_busiest(const struct order *order, const struct order_line **busiest, unsigned most);

/* How many members of a source are active. */
uint32_t order_active(const struct order_line *line);

/* The member whose turn it is; NULL if no member waits, or all are held back by their source. */
struct order_member *order_next(const struct order *order);

#endif
