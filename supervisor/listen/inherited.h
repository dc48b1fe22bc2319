/*
 * inherited.h - the listeners of the daemon before, which --takeover replaces: finds those that the
 * new daemon would otherwise open.
 */
#ifndef SUPERVISOR_LISTEN_INHERITED_H
#define SUPERVISOR_LISTEN_INHERITED_H

#include "supervisor/base/address.h"
#include "supervisor/listen/listener.h"

struct inherited {
    const struct listener *list;
    size_t count;
    bool *used; /* one for each: it was taken, and belongs to the listeners that were opened */
};

/* What the new daemon is about to open: a path, or an address; or neither, for any listener. */
struct inherited_wish {
    const char *path;
    const union address_socket *address; /* with port 0: at any port */
    bool ipv6_only;                      /* an IPv6 address leaves IPv4 alone (ipv6(7)) */
    const char *device;                  /* that an address is bound to; NULL: to none */
};

/* Copies the first unused listener that is the same to `*taken`, and marks it as used.  Returns
 * false if there is none. */
bool inherited_take(const struct inherited *inherited, const struct inherited_wish *wish,
                    struct listener *taken);

#endif
