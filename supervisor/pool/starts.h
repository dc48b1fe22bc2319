/*
 * starts.h - the starts that one dispatcher has been given and has not answered, slot by slot as in
 * the ledger, and what the ledger says of them once it is dead.
 *
 * Clients are known only as the handle and ticket that travel in messages.  Their connections are
 * held here only for a moment: between the death of a dispatcher, which had not taken the packet
 * off the socket, and the decision.
 */
#ifndef SUPERVISOR_POOL_STARTS_H
#define SUPERVISOR_POOL_STARTS_H

#include "dispatcher/protocol.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct starts {
    struct ledger *ledger;
    unsigned count;
    struct starts_slot {
        bool used;
        bool sent;
        bool reaped;    /* its process: must not be signalled any more */
        int descriptor; /* the connection, if it was found in the socket of a dead one; else -1 */
        uint32_t client;
        uint64_t ticket;
    } slots[PROTOCOL_SLOTS];
};

/* What becomes of a start that is not answered: exactly one of them is called for each. */
struct starts_events {
    /* No handler runs for it, and none will.  With the connection, the receiver's to close; -1 if
     * it was never sent, or is lost, which no sound dispatcher brings about. */
    void (*returned)(void *context, uint32_t client, uint64_t ticket, int descriptor);
    /* As `returned`, but it was tried: an errno. */
    void (*failed)(void *context, uint32_t client, uint64_t ticket, int error, int descriptor);
    /* Its handler was started, and is a child of this process. */
    void (*orphaned)(void *context, uint32_t client, uint64_t ticket, int32_t process);
    void *context;
};

/* A free slot, cleared in the ledger as protocol.h wants it; there must be one. */
unsigned starts_prepare(const struct starts *starts);

/* Enters the start that is to be sent for it. */
void starts_add(struct starts *starts, unsigned slot, const struct message_header *start);

/* Those that were to be sent have been; tells of each. */
void starts_sent(struct starts *starts,
                 void (*each)(void *context, uint32_t client, uint64_t ticket), void *context);

/* A START that a dead dispatcher has left in its socket: takes over the descriptor, for as long as
 * it is not answered. */
void starts_recover(struct starts *starts, const struct message_header *start, int descriptor);

/* Takes out those that have not been sent, and tells of each. */
void starts_withdraw(struct starts *starts,
                     void (*each)(void *context, uint32_t client, uint64_t ticket), void *context);

/* Takes out the start that a message answers; returns whether there is one. */
bool starts_answer(struct starts *starts, const struct message_header *answer);

/* Decides of each start of a dead dispatcher what the ledger can tell, and takes it out.  With
 * `closed`, its end of file has been read, and that is all of them. */
void starts_decide(struct starts *starts, bool closed, const struct starts_events *events);

/* Forgets all, undecided. */
void starts_forget(struct starts *starts);

/* Takes note that a process has been reaped, and tells whose start led to it; returns whether one
 * did. */
bool starts_reaped(struct starts *starts, pid_t process, uint32_t *client, uint64_t *ticket);

/* Tells the processes of those that are left of a dead dispatcher, and have not been reaped:
 * children of this process. */
void starts_each(const struct starts *starts, void (*each)(void *context, pid_t process),
                 void *context);

#endif
