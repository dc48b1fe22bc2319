/*
 * events.h - what the pool tells the rest of the supervisor, and what it asks of the keeper.
 *
 * Clients are known only by the handle and the ticket that travel in messages.  A callback may call
 * functions of pool.h, except where the function says otherwise.
 */
#ifndef SUPERVISOR_POOL_EVENTS_H
#define SUPERVISOR_POOL_EVENTS_H

#include "dispatcher/protocol.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Instead of a dispatcher's index: the dispatcher died after it started the handler, which is a
 * child of the keeper now. */
enum { POOL_ORPHANED = 255 };

enum { POOL_MAXIMUM = 64 /* dispatchers */, POOL_LEFT = 16 /* dead ones with undecided STARTs */ };

/* The descriptors that the keeper brings: our end of the socket, a copy of the dispatcher's end,
 * and the ledger's file. */
enum { CHANNEL_SOCKET, CHANNEL_PEER, CHANNEL_LEDGER, CHANNEL_DESCRIPTORS };

/* What the pool knows of dispatchers, in memory that outlives the supervisor; all zero at first.
 * `process` is stored last and cleared first. */
struct pool_books {
    uint64_t rolls; /* roll calls so far: an answer to an earlier one may be on its way */
    struct pool_known {
        int32_t process; /* 0: no such dispatcher */
        uint32_t generation;
        uint32_t index;
        int descriptors[CHANNEL_DESCRIPTORS]; /* CHANNEL_PEER is -1 once it was emptied */
        bool stopped; /* by a signal; kept here because the keeper reports each change once */
    } dispatchers[POOL_MAXIMUM], left[POOL_LEFT];
};

struct pool_events {
    /* START was sent: the receiver closes its copy of the connection. */
    void (*delivered)(void *context, uint32_t client, uint64_t ticket);

    /* The following three answer a START; each START gets exactly one of them. */

    /* The handler's exec has succeeded.  The handler was cloned `age` microseconds ago; 0: nobody
     * knows when.  `dispatcher` may be POOL_ORPHANED. */
    void (*started)(void *context, unsigned dispatcher, uint32_t client, uint64_t ticket,
                    int32_t process, uint32_t age);
    /* The start was tried and no handler runs; `error` is an errno.  The receiver closes
     * `descriptor`, the connection; -1 if this process had no room for it. */
    void (*failed)(void *context, uint32_t client, uint64_t ticket, int error, int descriptor);
    /* No start was tried: START could not be sent, or the dispatcher died before.  The receiver
     * closes `descriptor`, the connection; -1 if START was never sent, or if a faulty dispatcher
     * lost the connection. */
    void (*returned)(void *context, uint32_t client, uint64_t ticket, int descriptor);

    /* The dispatcher is dead, and a child has, or had, the connection of this START, which is not
     * decided yet.  The receiver closes all copies that it still has, and `descriptor`, which was
     * in the packet; -1: none.  Returns true if the client waits again, because an earlier
     * supervisor has read FAILED: that decides the START. */
    bool (*held)(void *context, uint32_t client, uint64_t ticket, int descriptor);

    /* A packet of a dead dispatcher is about to be received (true): from then on this process has a
     * copy of the client's connection that is in no record.  Otherwise that copy was closed, or the
     * client has a FAILED that counts for more.  Not called after `held` or `returned`.  The client
     * may wait again.  If it has ended, nobody can note that: a supervisor that is killed in that
     * moment leaves a connection that passes for a new client. */
    void (*copied)(void *context, uint32_t client, uint64_t ticket, bool copied);

    /* During a roll call: the dispatcher has this handler, or is starting it.  What it has not
     * listed when `rolled` is called has ended. */
    void (*listed)(void *context, unsigned dispatcher, uint32_t client, uint64_t ticket);
    void (*rolled)(void *context, unsigned dispatcher);
    /* Answers a START that an earlier supervisor sent: it was tried, and the answer was lost with
     * that supervisor.  `process` was the handler, or the child whose exec failed. */
    void (*lost)(void *context, uint32_t client, uint64_t ticket, int32_t process);

    /* A handler has ended.  Returns false if the dispatcher has no such handler; the dispatcher is
     * killed then. */
    bool (*exited)(void *context, unsigned dispatcher, const struct message_exited *message);
    /* A dispatcher is dead and its messages are read.  Handlers that it reported as started and not
     * as ended are children of the keeper now.  Its unanswered requests may be undone. */
    void (*gone)(void *context, unsigned dispatcher);

    /* Asks the keeper to kill a dispatcher and to start another; with `give_way`, later, because no
     * more processes are allowed.  Called every 100 ms until pool_died(), because a request may be
     * lost on its way. */
    void (*kill)(void *context, unsigned dispatcher, uint32_t generation, bool give_way);
    /* Asks the keeper to signal the process group of its child `process`.  Returns false if it
     * could not be asked now. */
    bool (*signal)(void *context, int32_t process, int signal_number);
    void *context;
};

#endif
