/*
 * service.h - a dispatcher at work: carries out the requests of the supervisor and reports handlers
 * that have ended.  The contract is protocol.h.
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
    int clients[PROTOCOL_BATCH]; /* descriptors of the current packet, released after it */
    unsigned client_count;
    bool interrupts; /* such a client may have sent descriptors along: interrupter.h */
};

/* Prepares socket, ledger and signals, and sends READY.  Exits after logging why if that fails. */
void service_begin(struct service *service);

_Noreturn void service_run(struct service *service);

#endif
