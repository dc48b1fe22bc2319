/*
 * trouble.h - handlers that cannot be started, and handlers that end as none should, in the log: a
 * few of each kind one by one, and later how many there were more.
 */
#ifndef SUPERVISOR_FIGURES_TROUBLE_H
#define SUPERVISOR_FIGURES_TROUBLE_H

#include "supervisor/base/limiter.h"
#include "supervisor/base/loop.h"
#include "supervisor/queue/clients.h"

#include <stdbool.h>
#include <stdint.h>

struct trouble {
    struct loop *loop;
    const char *command; /* for the reader only */
    struct limiter starts;
    struct limiter ends;
    struct loop_timer told; /* when to say how many were left out */
    bool starts_fail;       /* the last start did */
};

/* `command` and `loop` must stay. */
void trouble_open(struct trouble *trouble, struct loop *loop, const char *command);

/* A client's handler could not be started, with errno, and the client waits; the next attempt
 * comes after so many microseconds. */
void trouble_start_failed(struct trouble *trouble, uint64_t ticket, uint64_t delay);

/* After failures, one could. */
void trouble_start_succeeded(struct trouble *trouble);

/* A handler has ended, with this status of wait(2).  Only what points to something that it lacked
 * is told: an end by a signal that nobody sends on purpose, unless it comes from us; and the status
 * with which loaders and shells say that they could not begin. */
void trouble_ended(struct trouble *trouble, const struct client *client, int status);

/* Says at the end what is owed. */
void trouble_left_out(struct trouble *trouble);

#endif
