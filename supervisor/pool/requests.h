/*
 * requests.h - what one dispatcher has been asked and has not answered yet.  Each answer is held
 * against it: one that nobody asked for is not believed.
 */
#ifndef SUPERVISOR_POOL_REQUESTS_H
#define SUPERVISOR_POOL_REQUESTS_H

#include "supervisor/pool/starts.h"

#include <stdbool.h>
#include <stdint.h>

struct requests {
    struct starts starts;
    uint32_t signals; /* to children of its own */
    uint32_t adopted; /* signals to children of this process */
    uint32_t forks;
    uint32_t reads[PROTOCOL_FILES];
    uint32_t pings;
};

/* Enters a request that has been sent; or a START that is to be, with a slot that starts_prepare()
 * has given it. */
void requests_add(struct requests *requests, const union message *request);

/* Takes out the request that a message answers.  False if there is none, or if the message says
 * what none may say. */
bool requests_answer(struct requests *requests, const union message *answer);

/* Whether an answer is due. */
bool requests_are_open(const struct requests *requests);

#endif
