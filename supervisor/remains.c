#include "supervisor/remains.h"

#include "dispatcher/log.h"
#include "dispatcher/wire.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static int32_t process_in(const struct ledger *ledger, unsigned slot)
{
    return __atomic_load_n(&ledger->slots[slot].process, __ATOMIC_SEQ_CST);
}

static int32_t error_in(const struct ledger *ledger, unsigned slot)
{
    return __atomic_load_n(&ledger->slots[slot].error, __ATOMIC_SEQ_CST);
}

bool remains_decide(struct remains_start starts[PROTOCOL_SLOTS], const struct ledger *ledger,
                    bool closed, const struct remains_events *events)
{
    bool left = false;

    for (unsigned i = 0; i < PROTOCOL_SLOTS; i++) {
        struct remains_start start = starts[i];
        int32_t process = process_in(ledger, i);

        if (!start.used)
            continue;
        if (process == 0 || error_in(ledger, i) != 0) {
            starts[i].used = false;
            events->returned(events->context, start.client, start.ticket);
        } else if (closed) {
            starts[i].used = false;
            events->orphaned(events->context, start.client, start.ticket, process);
        } else {
            left = true;
        }
    }
    return left;
}

static void forget(struct remains *remains)
{
    struct remains **place = remains->list;

    while (*place != remains)
        place = &(*place)->next;
    *place = remains->next;
    loop_ignore(remains->loop, &remains->source);
    (void)close(remains->source.descriptor); /* nothing will be read from it any more */
    (void)munmap(remains->ledger, sizeof(*remains->ledger));
    free(remains);
}

/* Only the end of file can come: who could speak is dead, and has been heard. */
static void on_readable(void *context)
{
    struct remains *remains = context;
    union message message;
    int descriptor;

    if (wire_receive(remains->source.descriptor, 0, &message, &descriptor, MSG_DONTWAIT) ==
        WIRE_EMPTY)
        return;
    (void)remains_decide(remains->starts, remains->ledger, true, remains->events);
    forget(remains);
}

int remains_watch(struct remains *remains, struct remains **list)
{
    remains->source.ready = on_readable;
    remains->source.context = remains;
    if (loop_watch(remains->loop, &remains->source) != 0)
        return -1;
    remains->list = list;
    remains->next = *list;
    *list = remains;
    log_warning("a dispatcher died while a handler's exec had not come back; waiting for that");
    return 0;
}

bool remains_reaped_start(struct remains_start starts[PROTOCOL_SLOTS], const struct ledger *ledger,
                          pid_t process, uint32_t *client, uint64_t *ticket)
{
    for (unsigned i = 0; i < PROTOCOL_SLOTS; i++) {
        if (!starts[i].used || process_in(ledger, i) != process)
            continue;
        starts[i].reaped = true;
        *client = starts[i].client;
        *ticket = starts[i].ticket;
        return true;
    }
    return false;
}

bool remains_reaped(struct remains *list, pid_t process, uint32_t *client, uint64_t *ticket)
{
    for (; list != NULL; list = list->next)
        if (remains_reaped_start(list->starts, list->ledger, process, client, ticket))
            return true;
    return false;
}

void remains_signal(const struct remains *list, int signal_number)
{
    for (; list != NULL; list = list->next)
        for (unsigned i = 0; i < PROTOCOL_SLOTS; i++)
            if (list->starts[i].used && !list->starts[i].reaped)
                (void)kill(process_in(list->ledger, i), signal_number); /* a child of ours */
}

void remains_close(struct remains **list)
{
    while (*list != NULL)
        forget(*list);
}
