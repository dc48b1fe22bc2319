#include "supervisor/base/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A resolver gives an address twice if the hosts file names it for two families. */
static bool is_repeated(const struct lookup *found, const struct addrinfo *address)
{
    for (size_t i = 0; i < found->count; i++)
        if (found->list[i].length == address->ai_addrlen &&
            memcmp(&found->list[i].address, address->ai_addr, address->ai_addrlen) == 0)
            return true;
    return false;
}

static void add(struct lookup *found, const struct addrinfo *address)
{
    struct lookup_address *added = &found->list[found->count];

    if (address->ai_addrlen > sizeof(added->address) || is_repeated(found, address))
        return;
    added->length = address->ai_addrlen;
    memcpy(&added->address, address->ai_addr, address->ai_addrlen);
    found->count++;
}

const char *lookup_name(struct lookup *found, const char *name, uint16_t port, int family)
{
    const struct addrinfo hints = {
        .ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list;
    char service[8];
    size_t count = 1;
    int error;

    *found = (struct lookup){0};
    (void)snprintf(service, sizeof(service), "%u", port);
    error = getaddrinfo(name, service, &hints, &list);
    if (error != 0)
        return error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error);
    for (const struct addrinfo *each = list->ai_next; each != NULL; each = each->ai_next)
        count++;
    found->list = calloc(count, sizeof(*found->list));
    for (const struct addrinfo *each = list; each != NULL && found->list != NULL;
         each = each->ai_next)
        add(found, each);
    freeaddrinfo(list);
    return found->list == NULL ? strerror(ENOMEM) : NULL;
}

void lookup_free(struct lookup *found)
{
    free(found->list);
    *found = (struct lookup){0};
}
