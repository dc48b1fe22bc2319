/*
 * clients.h - every accepted connection: where it stands, and how those before it ended.
 *
 * A connection is in exactly one of three states, and each state is a list: order.h keeps the
 * waiting clients, this module the others.  The lengths of the lists are the only counts of waiting
 * and running clients, so no path can forget to lower one.  And
 *
 *     accepted = queued + starting + running + the sum of the ended
 *
 * holds at every instant, because no function here changes one side alone.
 */
#ifndef SUPERVISOR_QUEUE_CLIENTS_H
#define SUPERVISOR_QUEUE_CLIENTS_H

#include "dispatcher/protocol.h"
#include "supervisor/base/histogram.h"
#include "supervisor/base/list.h"
#include "supervisor/base/stores.h"
#include "supervisor/queue/order.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum client_state {
    CLIENT_NONE,     /* the record is unused */
    CLIENT_QUEUED,   /* it waits; we hold its descriptor */
    CLIENT_STARTING, /* a dispatcher has it; the descriptor comes back if no handler is started */
    CLIENT_RUNNING,  /* its handler runs and has the descriptor; we too, with some options */
    CLIENT_ENDING,   /* between clients_begin_end() and clients_finish_end() */
    CLIENT_STATES
};

enum client_end {
    CLIENT_SERVED,          /* a handler ran, whatever its status */
    CLIENT_ABANDONED,       /* it gave up while it waited */
    CLIENT_DENIED,          /* by the access rules */
    CLIENT_REFUSED_QUEUE,   /* too many clients waited */
    CLIENT_REFUSED_SOURCE,  /* too many clients of its source waited */
    CLIENT_REFUSED_TIMEOUT, /* it had waited too long */
    CLIENT_DROPPED,         /* closed unserved: the service ended, a dispatcher lost it, or its
                             * handler alone could not be started */
    CLIENT_HANDED_OVER,     /* it waits on in the process that took our place */
    CLIENT_ENDS
};

/* For client.dispatcher. */
enum {
    CLIENT_ADOPTED = 255, /* its dispatcher is dead: its handler is a child of the keeper */
    CLIENT_FOREIGN = 254  /* its handler is a child of the process before us, or is gone */
};

struct client {
    struct order_member place; /* first: a list entry is the client; holds the ticket, from 1 */
    union {
        struct list_entry arrival; /* among waiting and starting clients; then timeout.h uses it */
        uint64_t ended_after;      /* while it ends, in no list: the new count of its way to end */
    };
    union { /* microseconds of the loop's clock */
        uint64_t accepted;
        uint64_t moved_at;   /* while its handler runs: when bytes moved last, as far as known */
        uint64_t terminated; /* when its handler was sent SIGTERM, by timeout.h */
    };
    uint64_t started; /* when it was given to a dispatcher; then when its handler began */
    struct endpoint remote;
    uint32_t handle; /* how messages name it; see clients_find() */
    int descriptor;  /* owned; -1 once it is given away */
    union {
        struct {                   /* while it waits or starts */
            uint16_t failed_after; /* clients_books.started at the first of `failures` */
            uint8_t failures;      /* failed starts that may be its own fault */
        };
        uint32_t moved; /* while its handler runs: bytes both ways, modulo 2^32: watch.h */
    };
    int32_t process;       /* of the handler; 0 before it is known */
    int32_t status;        /* as wait(2) gives it; only with `reaped` */
    uint32_t generation;   /* of its dispatcher */
    uint32_t next_adopted; /* running.h: the handle of the next, plus 1; 0: none.  In an unused
                            * record: the handle of the next one */
    uint8_t state;         /* enum client_state */
    uint8_t dispatcher;    /* index of its dispatcher, or CLIENT_ADOPTED, or CLIENT_FOREIGN */
    uint8_t slot;          /* in the dispatcher's ledger, while it starts */
    uint8_t end;           /* enum client_end, while it ends */
    uint8_t signal;        /* due to its handler; 0: none */
    uint8_t signalled;     /* sent to its handler */
    uint8_t timed : 2;     /* enum timeout_phase */
    bool leftovers : 1;    /* its handler has ended in time, and what that left is signalled */
    bool returned : 1;     /* while it starts: no handler has it, and it is about to wait again */
    bool copied : 1;       /* besides the record, this process may have a copy of the connection:
                            * pool/events.h */
    bool reaped : 1;       /* `status` is known, and the record is kept for another reason */
    bool ended : 1;        /* its handler has ended, but perhaps not its process group */
    bool asked : 1;        /* the keeper was asked about its adopted handler, or about its group */
    bool watched : 1;      /* for signs that it gives up or hangs up */
    bool listed : 1;       /* during a roll call: its dispatcher knows it */
    bool owed : 1;  /* its handler has ended, and the process that took our place must be told */
    bool aside : 1; /* while it waits: it has stepped aside */
    bool start_counted : 1; /* figures have counted the start of its handler */
    bool end_counted : 1;   /* they have counted the end of its handler */
};

/* What outlives the supervisor, in memory that it shares with the standby: every record, and what
 * was counted.  A record changes its state by one store, after all else in it, so that the next
 * supervisor finds each client in one state, whenever this supervisor is killed.  New counts are
 * noted before that store, and are stored as values: a client that ends counts once, in `ended` and
 * in `unserved`.  Lists, and what else has pointers, are made anew. */
struct clients_books {
    uint64_t last_ticket; /* given by this daemon or those before it */
    uint64_t judged;      /* queue.h: clients up to this ticket are not refused for its length */
    uint64_t ended[CLIENT_ENDS];
    uint64_t started;          /* handlers; one less for each kill before this store: no figure, it
                                * only tells clients_fail() of other starts */
    struct histogram unserved; /* how long clients waited that got no handler; not the denied */
    uint64_t working;          /* ticket of the client that is being dealt with; 0: none */
    uint32_t most;             /* records */
    uint32_t used;             /* records from this index on were never used */
    struct client records[];
};

enum { CLIENTS_NONE = UINT32_MAX };

struct clients {
    struct clients_books *books;
    struct order order;               /* the waiting clients */
    struct list lists[CLIENT_STATES]; /* the others */
    struct list arrivals; /* waiting and starting clients, by ticket: a client that waits again
                           * keeps its place */
    uint64_t accepted;
    uint32_t unused; /* handle of the first unused record that was used; CLIENTS_NONE: none */
    uint32_t taken;  /* records in use */
    uint32_t kept;   /* running clients of which we have a descriptor */
};

/* Makes books for so many clients, in memory that forked processes share.  Memory is taken as
 * records are used.  Returns NULL with errno. */
struct clients_books *clients_make_books(uint32_t most);

/* Returns how many bytes these are. */
static inline size_t clients_books_size(uint32_t most)
{
    return sizeof(struct clients_books) + most * sizeof(struct client);
}

/* Checks the books of an earlier supervisor, which were made for `most` records: forgets each
 * record that is impossible.  To be called before anything else looks at them. */
void clients_check(struct clients_books *books, uint32_t most);

/* Keeps a client on which supervisors have died from doing that again.  If it waits, it is about to
 * end as dropped, and the next two functions complete that.  If it has a handler, or may have one,
 * its record loses the address, which is all that came from outside.  Returns the state that it was
 * in, CLIENT_NONE if it is unknown.  To be called before the following functions. */
enum client_state clients_disarm(struct clients_books *books, uint64_t ticket);

/* Closes the connections that an earlier supervisor was about to close, and forgets those that are
 * closed.  To be called before anything else is opened, which would get their numbers. */
void clients_sort_descriptors(struct clients_books *books);

/* Opens the lists, with all clients that are in the books; `books` and `options` must stay.  A
 * client that was about to end has ended.  Returns 0, or -1 with errno. */
int clients_open(struct clients *clients, struct clients_books *books,
                 const struct options *options);

/* Releases the memory of the lists.  Descriptors of clients stay open: the process is about to end.
 */
void clients_close(struct clients *clients);

/* Notes which client is being dealt with, from here to clients_rest(): if this process dies of a
 * fault in between, the client may have caused it. */
static inline void clients_deal_with(const struct clients *clients, uint64_t ticket)
{
    clients->books->working = ticket;
    stores_settle();
}

/* Notes that no client is being dealt with. */
static inline void clients_rest(const struct clients *clients)
{
    stores_settle();
    clients->books->working = 0;
}

/* Makes sure that one more connection can be entered, and notes that it is being dealt with. Called
 * before accept(2), so that no accepted client is lost for want of memory.  Returns 0, or -1 with
 * errno. */
int clients_reserve(struct clients *clients);

/* Enters a connection at the end of the queue, with the next ticket; takes over the descriptor.
 * clients_reserve() must have succeeded since the last call. */
struct client *clients_accept(struct clients *clients, int descriptor,
                              const struct endpoint *remote, uint64_t now);

/* Enters a connection that another process had accepted, with its ticket, which must be higher than
 * that of any waiting client.  Otherwise as clients_accept(). */
struct client *clients_inherit(struct clients *clients, uint64_t ticket, int descriptor,
                               const struct endpoint *remote, uint64_t accepted);

/* Closes a connection that must not enter, and counts it as ended, with the next ticket.  At no
 * instant does it wait.  Otherwise as clients_accept(). */
void clients_turn_away(struct clients *clients, int descriptor, const struct endpoint *remote,
                       enum client_end end);

/* Finds the client with this handle and ticket, as messages name it, and notes that it is being
 * dealt with; or NULL. */
struct client *clients_find(const struct clients *clients, uint32_t handle, uint64_t ticket);

/* Finds a client by its handle alone; or NULL. */
struct client *clients_with_handle(const struct clients *clients, uint32_t handle);

uint64_t clients_ticket(const struct client *client);

/* The waiting client whose turn it is; NULL if no client may start. */
struct client *clients_next_turn(const struct clients *clients);

/* Changes the state of a client.  One that goes back to CLIENT_QUEUED takes its old place. */
void clients_move(struct clients *clients, struct client *client, enum client_state state);

/* Has a starting client wait again, but step aside: it has no turn until clients_rejoin(). */
void clients_step_aside(struct clients *clients, struct client *client);

/* Has all clients that stepped aside wait in their old places.  O(clients aside). */
void clients_rejoin(struct clients *clients);

/* The caller has closed the descriptor of a running client, or taken it over. */
void clients_part(struct clients *clients, struct client *client);

/* Counts a failed start of a starting client, which others may not share.  Returns how many there
 * were, if another handler was started since the first of them; or else 0. */
unsigned clients_fail(const struct clients *clients, struct client *client);

/* Closes the client's descriptor, if we still have it, and counts how the client ended. */
void clients_end(struct clients *clients, struct client *client, enum client_end end);

/* Does the same in two steps, between which the caller takes the descriptor out of the record. From
 * the first step on the client has ended like this, whatever happens to this process. */
void clients_begin_end(struct clients *clients, struct client *client, enum client_end end);
void clients_finish_end(struct clients *clients, struct client *client);

/* Walk the clients in a state, waiting clients by arrival.  NULL after the last. */
struct client *clients_first(const struct clients *clients, enum client_state state);
struct client *clients_next(const struct clients *clients, const struct client *client);

/* Walk the waiting clients backwards, from the newest.  NULL after the oldest. */
struct client *clients_newest(const struct clients *clients);
struct client *clients_before(const struct clients *clients, const struct client *client);

uint32_t clients_count(const struct clients *clients, enum client_state state);

/* How many clients are starting or running. */
uint32_t clients_active(const struct clients *clients);

/* How many of the waiting clients have stepped aside. */
uint32_t clients_aside(const struct clients *clients);

/* Whether the identity above holds. */
bool clients_add_up(const struct clients *clients);

#endif
