/*
 * liar.h - what a dispatcher that lies knows.
 */
#ifndef TESTS_DISPATCHER_LIAR_LIAR_H
#define TESTS_DISPATCHER_LIAR_LIAR_H

#include "dispatcher/protocol.h"
#include "dispatcher/service.h"

extern struct liar {
    struct service service; /* as an honest dispatcher has it */
    union message request;  /* the last */
    int given;              /* the descriptor that came with it; -1: none */
    int ledger;             /* the memory file */
    int setup;              /* the memory file */
} liar;

#endif
