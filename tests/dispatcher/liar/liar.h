/*
 * liar.h - what a dispatcher that lies goes by.
 */
#ifndef TESTS_DISPATCHER_LIAR_LIAR_H
#define TESTS_DISPATCHER_LIAR_LIAR_H

#include "dispatcher/protocol.h"
#include "dispatcher/service.h"
#include "dispatcher/shared/wire.h"

extern struct liar {
    const struct lie *lie;       /* that this process has to tell; NULL: none */
    struct service service;      /* as that of one that is honest */
    union message request;       /* the one that is answered by a lie */
    int given[WIRE_DESCRIPTORS]; /* the descriptors that came with it */
    int ledger;                  /* the memory file */
} liar;

#endif
