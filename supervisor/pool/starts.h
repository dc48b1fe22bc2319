/*
 * starts.h - the unanswered STARTs of one dispatcher, slot by slot as in the ledger, and what the
 * ledger says about them after the dispatcher's death.
 *
 * A slot holds a connection only for a moment: if a dead dispatcher left the packet in its socket,
 * until the start is decided.
 */
#ifndef SUPERVISOR_POOL_STARTS_H
#define SUPERVISOR_POOL_STARTS_H

#include "supervisor/pool/events.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct starts {
    struct ledger *ledger;
    unsigned count; /* slots in use */
    struct starts_slot {
        bool used;
        bool sent;
        bool reaped;    /* its process was reaped, and must not be signalled any more */
        int descriptor; /* the connection, found in the socket of a dead dispatcher; else -1 */
        uint32_t client;
        uint64_t ticket;
    } slots[PROTOCOL_SLOTS];
};

/* Returns a free slot, which must exist, and clears it in the ledger as protocol.h requires. */
unsigned starts_prepare(const struct starts *starts);

/* Enters a START, still unsent, in its slot. */
void starts_add(struct starts *starts, unsigned slot, const struct message_header *start);

/* Marks all unsent STARTs as sent, and calls `each` for them. */
void starts_sent(struct starts *starts,
                 void (*each)(void *context, uint32_t client, uint64_t ticket), void *context);

/* Takes over the connection of a START that a dead dispatcher left in its socket. */
void starts_recover(struct starts *starts, const struct message_header *start, int descriptor);

/* Removes all unsent STARTs, and calls `each` for them. */
void starts_withdraw(struct starts *starts,
                     void (*each)(void *context, uint32_t client, uint64_t ticket), void *context);

/* Removes the START that a message answers; returns false if there is none. */
bool starts_answer(struct starts *starts, const struct message_header *answer);

/* Removes the STARTs of a dead dispatcher that the ledger decides, and calls `returned` or
 * `orphaned` for each.  If `closed`, end of file was read and the ledger decides all of them. */
void starts_decide(struct starts *starts, bool closed, const struct pool_events *events);

/* Removes all STARTs without a decision. */
void starts_forget(struct starts *starts);

/* Notes that a process was reaped.  If a START led to it, returns true and names the client. */
bool starts_reaped(struct starts *starts, pid_t process, uint32_t *client, uint64_t *ticket);

/* Calls `each` for the processes of a dead dispatcher's STARTs that were not reaped: children of
 * this process. */
void starts_each(const struct starts *starts, void (*each)(void *context, pid_t process),
                 void *context);

#endif
