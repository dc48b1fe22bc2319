/*
 * report.h - what the log says of clients: a line for each start and each end of a handler, and
 * some lines for refused and abandoned clients.
 *
 * Times are microseconds of loop.h's clock.
 */
#ifndef SUPERVISOR_FIGURES_REPORT_H
#define SUPERVISOR_FIGURES_REPORT_H

#include "dispatcher/protocol.h"
#include "supervisor/base/limiter.h"
#include "supervisor/base/loop.h"
#include "supervisor/base/usage.h"

#include <stdint.h>
#include <sys/types.h>

enum report_refusal {
    REPORT_DENIED, /* by the access rules */
    REPORT_QUEUE,  /* the queue is full */
    REPORT_SOURCE, /* too many clients of its source wait */
    REPORT_TIMEOUT,
    REPORT_REFUSALS
};

struct report {
    struct loop *loop;
    struct limiter refusals[REPORT_REFUSALS];
    struct loop_timer left_out; /* when to say how many lines were left out */
};

/* The client that a line is about. */
struct report_client {
    uint64_t ticket;
    pid_t process; /* its handler, if there is one */
    const struct endpoint *remote;
};

/* `loop` must stay. */
void report_open(struct report *report, struct loop *loop);

/* Logs that the service listens: on a path if that is not NULL, otherwise on an address and port.
 * `text` is the same for people. */
void report_listening(const char *path, const struct endpoint *local, const char *text);

/* Logs the start of a handler, after its client has waited for `waited`; `queued` others wait. */
void report_started(const struct report_client *client, uint64_t waited, uint32_t queued);

/* Logs the end of a handler that ran for `ran`.  `status`, as wait(2) gives it, and `usage` are
 * NULL if they are not known. */
void report_ended(const struct report_client *client, uint64_t ran, const int *status,
                  const struct usage *usage);

/* Logs that a client gave up after it had waited for `waited`. */
void report_abandoned(const struct report_client *client, uint64_t waited);

/* Logs a refusal.  Of many, logs a few, and later how many were left out. */
void report_refused(struct report *report, const struct endpoint *remote,
                    enum report_refusal refusal);

/* Logs now how many refusals were left out. */
void report_left_out(struct report *report);

#endif
