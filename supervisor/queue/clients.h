/*
 * clients.h - every accepted connection: where it stands, and how those before it ended.
 *
 * A connection is in exactly one of three states, and each state is a list: the waiting ones are
 * kept by order.h, the others here.  The lists' lengths are the only counts there are of waiting
 * and running clients, so that no path can forget to lower one; and
 *
 *     accepted = queued + starting + running + the sum of the ended
 *
 * holds at every instant because no function here changes one side alone.
 */
#ifndef SUPERVISOR_QUEUE_CLIENTS_H
#define SUPERVISOR_QUEUE_CLIENTS_H

#include "dispatcher/protocol.h"
#include "supervisor/base/list.h"
#include "supervisor/base/slab.h"
#include "supervisor/queue/order.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum client_state {
    CLIENT_QUEUED,   /* waits; we hold its descriptor */
    CLIENT_STARTING, /* given to a dispatcher, with the descriptor once that is sent; it comes back
                      * if no handler is started */
    CLIENT_RUNNING,  /* its handler runs and has the descriptor */
    CLIENT_STATES
};

enum client_end {
    CLIENT_SERVED,          /* a handler ran, whatever its status */
    CLIENT_ABANDONED,       /* gave up while it waited */
    CLIENT_DENIED,          /* refused by the access rules */
    CLIENT_REFUSED_QUEUE,   /* refused, as too many waited */
    CLIENT_REFUSED_SOURCE,  /* refused, as too many of its source waited */
    CLIENT_REFUSED_TIMEOUT, /* refused, as it had waited too long */
    CLIENT_DROPPED,         /* closed unserved, as the service ended, or lost with a dispatcher */
    CLIENT_HANDED_OVER,     /* waits on in the process that has taken this one's place */
    CLIENT_ENDS
};

/* For client.dispatcher. */
enum {
    CLIENT_ADOPTED = 255, /* its handler is our own child */
    CLIENT_FOREIGN = 254  /* its handler is none of ours, or none any more */
};

struct client {
    struct order_member place; /* first: a list entry is the client; holds the ticket, from 1 */
    struct list_entry arrival; /* while it waits or is starting; while it runs, timeout.h has it */
    uint64_t accepted;         /* microseconds of the loop's clock */
    uint64_t started;          /* likewise: once given away, when that was; then of its handler */
    struct endpoint remote;
    uint32_t handle; /* how messages name it; see clients_find() */
    int descriptor;  /* owned; -1 once it was given away */
    int32_t process; /* of the handler; 0 before it is known */
    int32_t status;  /* as wait(2) gives it, once `reaped` */
    uint8_t state;
    uint8_t dispatcher; /* index of the one that has it, or one of the above */
    uint8_t signal;     /* the one that its handler is to get; 0: none */
    uint8_t signalled;  /* the one that it has been sent */
    uint8_t timed;      /* enum timeout_phase */
    bool reaped : 1;  /* `status` is known: we have reaped its handler, though its dispatcher is not
                       * known dead yet, or it has ended and is kept for another reason */
    bool ended : 1;   /* its handler is known to have ended, but others of its group have not */
    bool watched : 1; /* for signs that it gives up */
    bool owed : 1;    /* its handler has ended, which handover.h has to report yet */
};

struct clients {
    struct order order;               /* those who wait */
    struct list lists[CLIENT_STATES]; /* the others */
    struct list arrivals; /* those waiting and starting, by ticket, so that one who waits again has
                           * kept the place */
    uint64_t accepted;
    uint64_t last_ticket; /* that was given; those before this process have given some, too */
    uint64_t ended[CLIENT_ENDS];
    struct slab records;
};

/* Returns 0, or -1 with errno. */
int clients_open(struct clients *clients, const struct order_rules *rules);

/* Releases all memory, as the service ends; descriptors that are still open stay so. */
void clients_close(struct clients *clients);

/* Makes sure that one more connection can be entered: to be called before it is accepted, so that
 * no accepted client is lost for want of memory.  Returns 0, or -1 with errno. */
int clients_reserve(struct clients *clients);

/* Enters a connection at the end of the queue, with the next ticket; takes over the descriptor.
 * clients_reserve() must have succeeded since the last call. */
struct client *clients_accept(struct clients *clients, int descriptor,
                              const struct endpoint *remote, uint64_t now);

/* Enters one that another process had accepted, at the end of the queue: with its ticket, which is
 * higher than that of whoever waits; the same otherwise. */
struct client *clients_inherit(struct clients *clients, uint64_t ticket, int descriptor,
                               const struct endpoint *remote, uint64_t accepted);

/* The client that a message names; NULL if there is none with this handle and ticket. */
struct client *clients_find(const struct clients *clients, uint32_t handle, uint64_t ticket);

/* Any client, by its handle alone; NULL if there is none. */
struct client *clients_with_handle(const struct clients *clients, uint32_t handle);

/* The ticket of a client. */
uint64_t clients_ticket(const struct client *client);

/* The waiting client whose turn it is; NULL if nobody's. */
struct client *clients_next_turn(const struct clients *clients);

/* Changes the state.  Back to CLIENT_QUEUED, it takes its old place by ticket. */
void clients_move(struct clients *clients, struct client *client, enum client_state state);

/* Closes the descriptor, if we have it still, and forgets the client. */
void clients_end(struct clients *clients, struct client *client, enum client_end end);

/* Counts a connection that has come and was turned away before it was entered. */
void clients_turn_away(struct clients *clients, enum client_end end);

/* The first in a state, and the one after it; of those who wait, by arrival.  NULL for none. */
struct client *clients_first(const struct clients *clients, enum client_state state);
struct client *clients_next(const struct clients *clients, const struct client *client);

/* Of those who wait, the one that came last, and the one that came before it.  NULL for none. */
struct client *clients_newest(const struct clients *clients);
struct client *clients_before(const struct clients *clients, const struct client *client);

uint32_t clients_count(const struct clients *clients, enum client_state state);

/* Those that have a handler, or are about to: starting and running. */
uint32_t clients_active(const struct clients *clients);

/* Of those who wait, so many may start as far as their sources are concerned. */
uint32_t clients_startable(const struct clients *clients);

/* How many wait of the source of this client; of all, where sources are not told apart. */
uint32_t clients_of_source(const struct client *client);

/* How many sources there are accounts of: 0 where they are not told apart. */
uint32_t clients_sources(const struct clients *clients);

/* Changes how many of one source may run. */
void clients_set_per_source(struct clients *clients, uint32_t per_source);

/* A word for an end; and the same without hyphens, as programs like it. */
const char *clients_end_name(enum client_end end);
const char *clients_end_field(enum client_end end);

/* Whether the identity above holds; anything else is a bug. */
bool clients_add_up(const struct clients *clients);

#endif
