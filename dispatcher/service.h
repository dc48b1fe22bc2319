/*
 * service.h - a dispatcher at work: what it does at each request of the supervisor, and when
 * handlers end.  The contract is protocol.h.
 */
#ifndef DISPATCHER_SERVICE_H
#define DISPATCHER_SERVICE_H

#include "dispatcher/shared/wire.h"
#include "dispatcher/spawn.h"

#include <stdbool.h>

struct service {
    struct spawn_command command;
    struct ledger *ledger;
    int signals; /* a signalfd(2) */
    struct wire_inbox inbox;
    int clients[PROTOCOL_BATCH]; /* of the packet that is being worked on; see release_clients() */
    unsigned client_count;
};

/* Makes the process ready with the socket and the ledger that it was given, and says so.  Exits,
 * after logging why, if that cannot be done. */
void service_begin(struct service *service, bool spare);

_Noreturn void service_run(struct service *service);

#endif
