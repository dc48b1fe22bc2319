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
 * A member can step aside: it waits, but has no turn until it rejoins its line, in its old place.
 *
 * A line takes memory while its source has members, waiting or active.  With one line each
 * operation takes constant time, otherwise O(log lines).
 */
#ifndef SUPERVISOR_QUEUE_ORDER_H
#define SUPERVISOR_QUEUE_ORDER_H

#include "supervisor/base/heap.h"
#include "supervisor/base/list.h"
#include "supervisor/options/options.h"
#include "supervisor/queue/source.h"

#include <stdbool.h>
#include <stdint.h>

/* The line of one source. */
struct order_line {
    struct source source;    /* first: a source is the line; its members wait or are active */
    uint32_t startable;      /* members in `waiting` that may become active */
    uint32_t aside;          /* waiting members that have stepped aside */
    struct list waiting;     /* the other waiting members */
    uint64_t turn;           /* in fair order */
    struct heap_entry place; /* among the open lines */
};

/* Inside the owner's record of a client. */
struct order_member {
    struct list_entry entry; /* holds the ticket; the owner may use it while it does not wait */
    struct order_line *line;
};

/* Where a member stands. */
enum order_standing { ORDER_ACTIVE, ORDER_WAITING, ORDER_ASIDE };

struct order {
    const struct options *options; /* the operator may change per_source */
    bool by_source;                /* sources are told apart */
    struct sources sources;
    struct order_line common; /* for all clients, if sources are not told apart */
    struct heap open;
    struct list aside; /* members that have stepped aside, the last one last */
    uint64_t turns;
    uint32_t startable; /* waiting members that the limit per source lets become active */
};

/* Opens the order; `options` must stay.  Sources are told apart if the options ask for that, or if
 * an operator may ask for it later.  Returns 0, or -1 with errno. */
int order_open(struct order *order, const struct options *options);

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

/* Has an active member wait, but step aside.  Its source has had its turn. */
void order_step_aside(struct order *order, struct order_member *member);

/* Returns the member that stepped aside last; NULL if none has. */
struct order_member *order_last_aside(const struct order *order);

/* Has a member that stepped aside rejoin its line, in its old place.  Beginning with the last one
 * saves time. */
void order_rejoin(struct order *order, struct order_member *member);

/* Removes a member. */
void order_leave(struct order *order, struct order_member *member, enum order_standing standing);

/* Takes a changed limit per source over; active members stay active.  O(sources). */
void order_limit(struct order *order);

/* Fills in up to `most` lines, those of the sources with most members first.  Returns how many; 0
 * if sources are not told apart.  O(sources). */
unsigned order_busiest(const struct order *order, const struct order_line **busiest, unsigned most);

/* How many members of a source are active, and how many wait. */
uint32_t order_active(const struct order_line *line);
uint32_t order_waiting(const struct order_line *line);

/* The member whose turn it is; NULL if no member waits, or all are held back by their source. */
struct order_member *order_next(const struct order *order);

#endif
