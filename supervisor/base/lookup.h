/*
 * lookup.h - the addresses of a host name.
 */
#ifndef SUPERVISOR_BASE_LOOKUP_H
#define SUPERVISOR_BASE_LOOKUP_H

#include "supervisor/base/address.h"

#include <stddef.h>
#include <stdint.h>

struct lookup_address {
    union address_socket address;
    socklen_t length;
    int error; /* for the caller, such as the errno of bind(2); 0 at first */
};

struct lookup {
    struct lookup_address *list;
    size_t count; /* 1 or more */
};

/* Looks up the addresses of a host name, each once, and gives them this port.  A literal address
 * stands for itself, and NULL for the wildcard of the family.  The family may be AF_UNSPEC.
 * Returns NULL, and the caller calls lookup_free(); or returns the reason why there are none, which
 * stays until the next call.
 *
 * Waits for name servers: only the start and disposable processes may call this. */
const char *lookup_name(struct lookup *found, const char *name, uint16_t port, int family);

void lookup_free(struct lookup *found);

#endif
