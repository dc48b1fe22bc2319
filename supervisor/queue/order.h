/*
 * order.h - those who wait, and whose turn it is.
 *
 * Everybody waits in a line, and within a line in order of arrival.  Without a need to tell sources
 * apart there is one line for all; else one for each source.  A line is open while somebody waits
 * in it and its source has fewer active members than it may; all open lines are in a heap, and the
 * first of them has its turn:
 *
 *     in order of arrival   the line whose first has the lowest ticket
 *     in fair order         the line that has not had its turn for longest; one that opens anew
 *                           comes last, one that was closed at its limit keeps its place
 *
 * A line costs memory while its source has members, waiting or active.  Each operation takes
 * constant time with one line, and else time that grows with the logarithm of the number of lines.
 */
#ifndef SUPERVISOR_QUEUE_ORDER_H
#define SUPERVISOR_QUEUE_ORDER_H

#include "supervisor/base/heap.h"
#include "supervisor/base/list.h"
#include "supervisor/queue/source.h"

#include <stdbool.h>
#include <stdint.h>

enum { ORDER_UNLIMITED = UINT32_MAX };

struct order_rules {
    bool fair;           /* sources in turn */
    bool by_source;      /* sources are told apart; else the rest does not matter */
    uint32_t per_source; /* active members of one at most; ORDER_UNLIMITED */
    unsigned ipv4_length;
    unsigned ipv6_length;
};

/* The line of one source. */
struct order_line {
    struct source source; /* first: the record of the source; its members wait or are active */
    uint32_t startable;   /* how many of those who wait may become active */
    struct list waiting;
    uint64_t turn;           /* in fair order */
    struct heap_entry place; /* among the open lines */
};

/* Inside the owner's record of a client. */
struct order_member {
    struct list_entry entry; /* holds the ticket; the order's while it waits, else the owner's */
    struct order_line *line;
};

struct order {
    struct order_rules rules;
    struct sources sources;
    struct order_line common; /* of all, where sources are not told apart */
    struct heap open;
    uint64_t turns;
    uint32_t
        startable; /* how many of those who wait may become active, if only their sources count */
};

/* Returns 0, or -1 with errno. */
int order_open(struct order *order, const struct order_rules *rules);

/* Releases all memory; nobody is a member any more. */
void order_close(struct order *order);

/* Makes sure that order_join() will succeed.  Returns 0, or -1 with errno. */
int order_reserve(struct order *order);

/* Somebody with a ticket higher than all before comes, and waits.  order_reserve() must have
 * succeeded since the last call. */
void order_join(struct order *order, struct order_member *member, const struct endpoint *remote);

/* One who waits becomes active, usually the one whose turn it is. */
void order_activate(struct order *order, struct order_member *member);

/* One who became active waits again, in the old place. */
void order_return(struct order *order, struct order_member *member);

/* One who waits, or one who is active, is gone. */
void order_leave_waiting(struct order *order, struct order_member *member);
void order_leave_active(struct order *order, struct order_member *member);

/* From now on so many members of one source may be active; those that are stay so.  Takes time for
 * each source. */
void order_set_per_source(struct order *order, uint32_t per_source);

/* Fills in the lines of those sources that have most members, most first; returns how many there
 * are, `most` at most; none where sources are not told apart.  Takes time for each source. */
unsigned order_busiest(const struct order *order, const struct order_line **busiest, unsigned most);

/* How many of a source are active. */
uint32_t order_active(const struct order_line *line);

/* Whose turn it is; NULL if nobody waits, or only at the limits of their sources. */
struct order_member *order_next(const struct order *order);

#endif
