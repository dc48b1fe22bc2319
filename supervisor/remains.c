#include "supervisor/remains.h"

#include "dispatcher/log.h"
#include "dispatcher/wire.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static void forget(struct remains **list, struct remains *remains)
{
    struct remains **place = list;

    while (*place != remains)
        place = &(*place)->next;
    *place = remains->next;
    loop_ignore(remains->loop, &remains->source);
    (void)close(remains->source.descriptor); /* nothing will be read from it any more */
    (void)munmap(remains->starts.ledger, sizeof(*remains->starts.ledger));
    free(remains);
}

/* Who could speak is dead, and has been heard as far as that was possible: only the end of file
 * tells something. */
static void on_readable(void *context)
{
    struct remains *remains = context;
    struct wire_inbox inbox = {0}; /* in which nothing is ever left, as nothing is permitted */
    union message message;
    int descriptors[WIRE_DESCRIPTORS];

    enum wire_result result =
        wire_receive(&inbox, remains->source.descriptor, 0, &message, descriptors, MSG_DONTWAIT);

    if (result != WIRE_CLOSED && result != WIRE_ERROR)
        return;
    starts_decide(&remains->starts, true, remains->events);
    forget(remains->list, remains);
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
    log_debug("a dispatcher died while the exec of a handler had not come back");
    return 0;
}

bool remains_reaped(struct remains *list, pid_t process, uint32_t *client, uint64_t *ticket)
{
    for (; list != NULL; list = list->next)
        if (starts_reaped(&list->starts, process, client, ticket))
            return true;
    return false;
}

void remains_each(const struct remains *list, void (*each)(void *context, pid_t process),
                  void *context)
{
    for (; list != NULL; list = list->next)
        starts_each(&list->starts, each, context);
}

void remains_close(struct remains **list)
{
    while (*list != NULL)
        forget(list, *list);
}
