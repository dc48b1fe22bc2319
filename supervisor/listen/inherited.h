/*
 * inherited.h - which listener of a process before this one is the one that is wanted.
 */
#ifndef SUPERVISOR_LISTEN_INHERITED_H
#define SUPERVISOR_LISTEN_INHERITED_H

#include "supervisor/base/address.h"
#include "supervisor/listen/listener.h"

/* Each takes the first that fits and is not used yet, enters it in `*taken`, and marks it as used;
 * or returns false. */
bool inherited_take_address(const struct listener_request *request,
                            const union address_socket *address, bool ipv6_only,
                            struct listener *taken);
bool inherited_take_path(const struct listener_request *request, struct listener *taken);
bool inherited_take_any(const struct listener_request *request, struct listener *taken);

#endif
