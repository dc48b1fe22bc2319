#include "supervisor/pool/starts.h"

#include "dispatcher/shared/release.h"

#include <stddef.h>

/* Returns 0 for an impossible process: dispatchers can write to the ledger, and kill(2) takes -1
 * for all processes. */
static int32_t process_in(const struct starts *starts, unsigned slot)
{
    int32_t process = __atomic_load_n(&starts->ledger->slots[slot].process, __ATOMIC_SEQ_CST);

    return process > 1 ? process : 0;
}

/* Returns the connection if the slot holds it; else -1. */
static int take_out(struct starts *starts, unsigned slot)
{
    int descriptor = starts->slots[slot].descriptor;

    starts->slots[slot].used = false;
    starts->slots[slot].descriptor = -1;
    starts->count--;
    return descriptor;
}

/* Closes our copy of a connection that a child has: only the child's may keep it open. */
static void let_go(struct starts_slot *slot)
{
    if (slot->descriptor >= 0)
        release(slot->descriptor);
    slot->descriptor = -1;
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

unsigned starts_prepare(const struct starts *starts)
{
    unsigned slot = 0;

    while (starts->slots[slot].used)
        slot++;
    __atomic_store_n(&starts->ledger->slots[slot].process, 0, __ATOMIC_SEQ_CST);
    return slot;
}

void starts_add(struct starts *starts, unsigned slot, const struct message_header *start)
{
    starts->slots[slot] = (struct starts_slot){
        .used = true, .descriptor = -1, .client = start->client, .ticket = start->ticket};
    starts->count++;
}

void starts_sent(struct starts *starts,
                 void (*each)(void *context, uint32_t client, uint64_t ticket), void *context)
{
    for (unsigned i = 0; i < PROTOCOL_SLOTS; i++) {
        struct starts_slot *slot = &starts->slots[i];

        if (!slot->used || slot->sent)
            continue;
        slot->sent = true;
        each(context, slot->client, slot->ticket);
    }
}

void starts_recover(struct starts *starts, const struct message_header *start, int descriptor)
{
    struct starts_slot *slot = find(starts, start);

    if (slot != NULL && slot->descriptor < 0)
        slot->descriptor = descriptor;
    else
        release(descriptor);
}

void starts_withdraw(struct starts *starts,
                     void (*each)(void *context, uint32_t client, uint64_t ticket), void *context)
{
    for (unsigned i = 0; i < PROTOCOL_SLOTS; i++) {
        const struct starts_slot *slot = &starts->slots[i];

        if (!slot->used || slot->sent)
            continue;
        (void)take_out(starts, i); /* an unsent START holds no connection here */
        each(context, slot->client, slot->ticket);
    }
}

bool starts_answer(struct starts *starts, const struct message_header *answer)
{
    struct starts_slot *slot = find(starts, answer);

    if (slot == NULL)
        return false;
    let_go(slot);
    (void)take_out(starts, (unsigned)(slot - starts->slots));
    return true;
}

void starts_decide(struct starts *starts, bool closed, const struct pool_events *events)
{
    for (unsigned i = 0; i < PROTOCOL_SLOTS; i++) {
        struct starts_slot *slot = &starts->slots[i];
        int32_t process;

        if (!slot->used)
            continue;
        process = process_in(starts, i);
        if (!slot->sent || process == 0) {
            int descriptor = take_out(starts, i);

            events->returned(events->context, slot->client, slot->ticket, descriptor);
            continue;
        }
        let_go(slot);
        if (closed) {
            (void)take_out(starts, i);
            events->orphaned(events->context, slot->client, slot->ticket, process);
        }
    }
}

void starts_forget(struct starts *starts)
{
    for (unsigned i = 0; i < PROTOCOL_SLOTS; i++)
        if (starts->slots[i].used) {
            let_go(&starts->slots[i]);
            (void)take_out(starts, i);
        }
}

bool starts_reaped(struct starts *starts, pid_t process, uint32_t *client, uint64_t *ticket)
{
    for (unsigned i = 0; i < PROTOCOL_SLOTS; i++) {
        struct starts_slot *slot = &starts->slots[i];

        if (!slot->used || process_in(starts, i) != process)
            continue;
        slot->reaped = true;
        *client = slot->client;
        *ticket = slot->ticket;
        return true;
    }
    return false;
}

void starts_each(const struct starts *starts, void (*each)(void *context, pid_t process),
                 void *context)
{
    for (unsigned i = 0; i < PROTOCOL_SLOTS; i++)
        if (starts->slots[i].used && !starts->slots[i].reaped && process_in(starts, i) != 0)
            each(context, process_in(starts, i));
}
