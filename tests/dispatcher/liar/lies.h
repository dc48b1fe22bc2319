/*
 * lies.h - the lies, by their words.
 */
#ifndef TESTS_DISPATCHER_LIAR_LIES_H
#define TESTS_DISPATCHER_LIAR_LIES_H

#include "dispatcher/protocol.h"

struct lie {
    const char *word; /* NULL: it is the end of the list */
    enum message_type at;
    void (*tell)(void); /* instead of an answer to a request of that type */
};

extern const struct lie start_lies[];    /* in one message */
extern const struct lie packet_lies[];   /* in several of one packet */
extern const struct lie conduct_lies[];  /* in what is done rather than said */
extern const struct lie fork_lies[];     /* about successors */
extern const struct lie read_lies[];     /* about files */
extern const struct lie question_lies[]; /* about signals, and being alive */

/* What a variable of the environment has as its word number `place`; NULL if there are not so many.
 * Ends the process if there is no such lie. */
const struct lie *lie_of(const char *variable, unsigned place);

#endif
