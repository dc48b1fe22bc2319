#include "supervisor/takeover/offer.h"

#include <errno.h>
#include <stdio.h>

void offer_add(struct offer *offer, struct offer_socket socket)
{
    if (offer->count++ < INHERITANCE_LISTENERS)
        offer->sockets[offer->count - 1] = socket;
}

/* Copies a text that may be NULL.  Returns false if it does not fit. */
static bool copy(char *to, size_t size, const char *text)
{
    return text == NULL || (size_t)snprintf(to, size, "%s", text) < size;
}

static int send_socket(const struct offer_socket *each, int link)
{
    union inheritance message = {.listener = {.kind = each->kind, .passed = each->passed}};
    struct inheritance_listener *listener = &message.listener;

    errno = ENAMETOOLONG;
    return copy(listener->place, sizeof(listener->place), each->place) &&
                   copy(listener->name, sizeof(listener->name), each->name)
               ? inheritance_send(link, INHERITANCE_LISTENER, &message, each->descriptor)
               : -1;
}

int offer_send(const struct offer *offer, int link, pid_t process)
{
    union inheritance message = {.hello = {.process = process, .listeners = offer->count}};

    if (inheritance_send(link, INHERITANCE_HELLO, &message, NULL) != 0)
        return -1;
    for (uint32_t i = 0; i < offer->count; i++)
        if (send_socket(&offer->sockets[i], link) != 0)
            return -1;
    return 0;
}

void offer_lend(const struct offer *offer, const struct takeover_events *events, uint64_t which,
                bool lent)
{
    for (uint32_t i = 0; i < offer->count; i++) {
        const struct offer_socket *each = &offer->sockets[i];

        if ((which >> i & 1) != 0 && each->place != NULL && each->kind != INHERITANCE_METRICS)
            events->lend(events->context, each->place, lent);
    }
}
