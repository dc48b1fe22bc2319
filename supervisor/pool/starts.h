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
    const struct pool_events *events;
    struct ledger *ledger; /* mapped; NULL: none */
    unsigned count;        /* slots in use */
    struct starts_slot {
        bool used;
        bool sent;
        bool listed;    /* during a roll call: the dispatcher will answer it */
        bool reaped;    /* its process was reaped, and must not be signalled any more */
        int descriptor; /* the connection, found in the socket of a dead dispatcher; else -1 */
        uint32_t client;
        uint64_t ticket;
    } slots[PROTOCOL_SLOTS];
};

/* Enters an unsent START in a free slot, which must exist: clears the slot in the ledger as
 * protocol.h requires, and names it in the message. */
void starts_add(struct starts *starts, struct message_start *start);

/* Marks all unsent STARTs as sent: they are `delivered`. */
void starts_sent(struct starts *starts);

/* Takes over the connection of a START that a dead dispatcher left in its socket, after `copied`.
 * Closes the connection of a START that was answered. */
void starts_recover(struct starts *starts, const struct message_header *start, int descriptor);

/* Takes note that this process had no room for that connection. */
void starts_miss(const struct starts *starts, const struct message_header *start);

/* Removes all unsent STARTs: they are `returned`. */
void starts_withdraw(struct starts *starts);

/* Removes the START that a message answers; returns false if there is none. */
bool starts_answer(struct starts *starts, const struct message_header *answer);

/* Removes the STARTs of a dead dispatcher that are decided: by the ledger, so that they are
 * `returned` or `started`, or by `held`.  If `closed`, end of file was read and the ledger decides
 * all of them. */
void starts_decide(struct starts *starts, bool closed);

/* Enters a START that an earlier supervisor has sent, or was about to send, in its slot.  Returns
 * false if that is in use. */
bool starts_recall(struct starts *starts, unsigned slot, uint32_t client, uint64_t ticket);

/* Takes note that the dispatcher will answer this START. */
void starts_list(struct starts *starts, const struct message_header *header);

/* After a roll call: STARTs that the dispatcher has not listed are `returned` if there was no
 * child, or else `lost`. */
void starts_rolled(struct starts *starts);

/* Returns the process that the ledger names for a START; 0: there is none, or it was reaped. */
int32_t starts_child(const struct starts *starts, const struct message_header *header);

/* Removes all STARTs without a decision. */
void starts_forget(struct starts *starts);

/* Notes that a process was reaped.  Returns the START that led to it, or NULL. */
const struct starts_slot *starts_reaped(struct starts *starts, pid_t process);

/* The same by the slot. */
int32_t starts_process(const struct starts *starts, unsigned slot);

#endif
