#include "supervisor/pool/starts.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/release.h"

#include <inttypes.h>
#include <stddef.h>

/* Returns 0 for an impossible process: dispatchers can write to the ledger, and kill(2) takes -1
 * for all processes. */
static int32_t process_in(const struct starts *starts, unsigned slot)
{
    int32_t process = ledger_process(starts->ledger, slot);

    return process > 1 ? process : 0;
}

/* Closes our copy of a connection that a child has: only the child's may keep it open. */
static void let_go(struct starts_slot *slot)
{
    if (slot->descriptor >= 0)
        release(slot->descriptor);
    slot->descriptor = -1;
}

static void remove_start(struct starts *starts, struct starts_slot *slot)
{
    let_go(slot);
    slot->used = false;
    starts->count--;
}

/* Finds the START that a header names; NULL if there is none. */
static struct starts_slot *find(struct starts *starts, const struct message_header *header)
{
    for (unsigned i = 0; i < PROTOCOL_SLOTS; i++) {
        struct starts_slot *slot = &starts->slots[i];

        if (slot->used && slot->ticket == header->ticket && slot->client == header->client)
            return slot;
    }
    return NULL;
}

void starts_add(struct starts *starts, struct message_start *start)
{
    unsigned slot = 0;

    while (starts->slots[slot].used)
        slot++;
    __atomic_store_n(&starts->ledger->slots[slot].process, 0, __ATOMIC_SEQ_CST);
    starts->slots[slot] = (struct starts_slot){.used = true,
                                               .descriptor = -1,
                                               .client = start->header.client,
                                               .ticket = start->header.ticket};
    starts->count++;
    start->slot = slot;
}

void starts_sent(struct starts *starts)
{
    for (unsigned i = 0; i < PROTOCOL_SLOTS; i++) {
        struct starts_slot *slot = &starts->slots[i];

        if (!slot->used || slot->sent)
            continue;
        slot->sent = true;
        starts->events->delivered(starts->events->context, slot->client, slot->ticket);
    }
}

void starts_miss(const struct starts *starts, const struct message_header *start)
{
    starts->events->copied(starts->events->context, start->client, start->ticket, false);
}

void starts_recover(struct starts *starts, const struct message_header *start, int descriptor)
{
    struct starts_slot *slot = find(starts, start);

    if (slot != NULL && slot->descriptor < 0) {
        slot->descriptor = descriptor;
    } else {
        release(descriptor);
        starts_miss(starts, start);
    }
}

static void give_back(struct starts *starts, struct starts_slot *slot)
{
    int descriptor = slot->descriptor;

    slot->descriptor = -1;
    remove_start(starts, slot);
    starts->events->returned(starts->events->context, slot->client, slot->ticket, descriptor);
}

void starts_withdraw(struct starts *starts)
{
    for (unsigned i = 0; i < PROTOCOL_SLOTS; i++)
        if (starts->slots[i].used && !starts->slots[i].sent)
            give_back(starts, &starts->slots[i]);
}

/* Closes our copy of a connection that was in the packet of a dead dispatcher, after the answer to
 * its START.  FAILED brings the connection: a supervisor that finds one of the two must not take it
 * for the copy. */
static void close_copy(struct starts *starts, struct starts_slot *slot, bool failed)
{
    const struct pool_events *events = starts->events;

    if (failed)
        events->copied(events->context, slot->client, slot->ticket, false);
    let_go(slot);
    if (!failed)
        events->copied(events->context, slot->client, slot->ticket, false);
}

bool starts_answer(struct starts *starts, const struct message_header *answer)
{
    struct starts_slot *slot = find(starts, answer);

    if (slot == NULL)
        return false;
    if (slot->descriptor >= 0)
        close_copy(starts, slot, answer->type == MESSAGE_FAILED);
    remove_start(starts, slot);
    return true;
}

/* Returns true if the START of a dead dispatcher, which has led to a process, is decided: no
 * handler serves the client. */
static bool is_back(struct starts *starts, struct starts_slot *slot)
{
    const int descriptor = slot->descriptor;

    slot->descriptor = -1;
    if (!starts->events->held(starts->events->context, slot->client, slot->ticket, descriptor))
        return false;
    remove_start(starts, slot);
    return true;
}

void starts_decide(struct starts *starts, bool closed)
{
    for (unsigned i = 0; i < PROTOCOL_SLOTS; i++) {
        struct starts_slot *slot = &starts->slots[i];
        int32_t process = slot->used && slot->sent ? process_in(starts, i) : 0;

        if (slot->used && process == 0) {
            log_debug("ticket %" PRIu64 ": its dispatcher died before it started a handler",
                      slot->ticket);
            give_back(starts, slot);
        }
        if (process == 0 || is_back(starts, slot) || !closed)
            continue;
        remove_start(starts, slot);
        starts->events->started(starts->events->context, POOL_ORPHANED, slot->client, slot->ticket,
                                process, 0);
    }
}

bool starts_recall(struct starts *starts, unsigned slot, uint32_t client, uint64_t ticket)
{
    if (slot >= PROTOCOL_SLOTS || starts->slots[slot].used)
        return false;
    starts->slots[slot] = (struct starts_slot){
        .used = true, .sent = true, .descriptor = -1, .client = client, .ticket = ticket};
    starts->count++;
    return true;
}

void starts_list(struct starts *starts, const struct message_header *header)
{
    struct starts_slot *slot = find(starts, header);

    if (slot != NULL)
        slot->listed = true;
}

void starts_rolled(struct starts *starts)
{
    for (unsigned i = 0; i < PROTOCOL_SLOTS; i++) {
        struct starts_slot *slot = &starts->slots[i];
        uint32_t client = slot->client;
        uint64_t ticket = slot->ticket;
        int32_t process;

        if (!slot->used || slot->listed)
            continue;
        process = process_in(starts, i);
        if (process == 0) {
            give_back(starts, slot);
            continue;
        }
        remove_start(starts, slot);
        starts->events->lost(starts->events->context, client, ticket, process);
    }
}

int32_t starts_child(const struct starts *starts, const struct message_header *header)
{
    for (unsigned i = 0; i < PROTOCOL_SLOTS; i++)
        if (starts->slots[i].used && starts->slots[i].ticket == header->ticket)
            return starts_process(starts, i);
    return 0;
}

void starts_forget(struct starts *starts)
{
    for (unsigned i = 0; i < PROTOCOL_SLOTS; i++)
        if (starts->slots[i].used)
            remove_start(starts, &starts->slots[i]);
}

const struct starts_slot *starts_reaped(struct starts *starts, pid_t process)
{
    for (unsigned i = 0; i < PROTOCOL_SLOTS; i++)
        if (starts->slots[i].used && process_in(starts, i) == process) {
            starts->slots[i].reaped = true;
            return &starts->slots[i];
        }
    return NULL;
}

int32_t starts_process(const struct starts *starts, unsigned slot)
{
    const struct starts_slot *start = &starts->slots[slot];

    return start->used && !start->reaped ? process_in(starts, slot) : 0;
}
