/*
 * lies.h - the lies, by their words.
 */
#ifndef TESTS_DISPATCHER_LIAR_LIES_H
#define TESTS_DISPATCHER_LIAR_LIES_H

#include "dispatcher/protocol.h"

struct lie {
    const char *word;     /* NULL: the end of the list */
    enum message_type at; /* READY: before READY is sent */
    void (*tell)(void);   /* instead of the answer to a request of that type; NULL: honest */
};

extern const struct lie ready_lies[];    /* before READY */
extern const struct lie start_lies[];    /* in one message */
extern const struct lie packet_lies[];   /* in several messages of one packet */
extern const struct lie conduct_lies[];  /* in what the dispatcher does rather than says */
extern const struct lie question_lies[]; /* about signals, and being alive */

/* Returns the lie that word number `place` of LIARS in the environment names; NULL if there are
 * fewer words.  Ends the process if there is no such lie. */
const struct lie *lie_of(unsigned place);

#endif
