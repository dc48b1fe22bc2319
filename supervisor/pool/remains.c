#include "supervisor/pool/remains.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/release.h"
#include "dispatcher/shared/rights.h"
#include "dispatcher/shared/wire.h"

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
    rights_drain(remains->source.descriptor);
    (void)close(remains->source.descriptor); /* nothing of ours is buffered in it */
    starts_forget(&remains->starts);
    (void)munmap(remains->starts.ledger, sizeof(*remains->starts.ledger));
    free(remains);
}

static void take_failed(struct remains *remains, const struct message_failed *message,
                        int descriptor)
{
    const struct message_header *header = &message->header;

    if (message->error > 0 && starts_answer(&remains->starts, header))
        remains->events->failed(remains->events->context, header->client, header->ticket,
                                message->error, descriptor);
    else if (descriptor >= 0)
        release(descriptor); /* the message answers no START */
}

/* Takes one packet and leaves the next to the loop, because a hostile child may send packets for
 * ever.  The dispatcher is dead, so only FAILED from one of its children counts. */
static enum wire_result take_packet(struct remains *remains)
{
    struct wire_inbox inbox = {0};
    enum wire_result result;

    do {
        union message message = {0};
        int descriptors[WIRE_DESCRIPTORS] = {-1, -1};

        result = wire_receive(&inbox, remains->source.descriptor, WIRE_TYPE(MESSAGE_FAILED),
                              &message, descriptors, MSG_DONTWAIT);
        if (result == WIRE_MESSAGE || result == WIRE_NO_DESCRIPTOR)
            take_failed(remains, &message.failed, descriptors[0]);
    } while (wire_is_left(&inbox));
    return result;
}

static void on_readable(void *context)
{
    struct remains *remains = context;
    enum wire_result result = take_packet(remains);

    if (result == WIRE_CLOSED || result == WIRE_ERROR)
        starts_decide(&remains->starts, true, remains->events);
    if (remains->starts.count == 0)
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
    log_debug("a dispatcher died while handlers were between clone and exec: watching them");
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
