/*
 * report.h - counts what becomes of clients and handlers, and writes it to the log: a line for each
 * start and each end of a handler and for each client that gives up, and lines about trouble.
 *
 * Lines about trouble could flood the log.  Of each kind, a few appear per period, and at its end
 * how many were left out.  Times are microseconds of loop.h's clock.
 *
 * A report outlives the supervisor.  If that is killed while it counts a start or an end of a
 * handler, report_open() completes the count if its ticket is stored, or else nothing was counted.
 * `waits` and `runs` keep the tickets that were counted last.
 */
#ifndef SUPERVISOR_FIGURES_REPORT_H
#define SUPERVISOR_FIGURES_REPORT_H

#include "dispatcher/protocol.h"
#include "supervisor/base/histogram.h"
#include "supervisor/base/loop.h"
#include "supervisor/base/usage.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Kinds of trouble; clients that are turned away come first. */
enum report_trouble {
    REPORT_DENIED, /* by the access rules */
    REPORT_QUEUE,  /* the queue is full */
    REPORT_SOURCE, /* too many clients of its source wait */
    REPORT_TIMEOUT,
    REPORT_REFUSALS,
    REPORT_START = REPORT_REFUSALS, /* a handler could not be started */
    REPORT_CLIENT,  /* a handler could not be started, perhaps for its client alone */
    REPORT_CLOSED,  /* a client was closed for that */
    REPORT_HANDLER, /* a handler ended as no handler should */
    REPORT_TROUBLES
};

/* How handlers ended. */
enum report_exit {
    REPORT_SUCCESS, /* status 0 */
    REPORT_FAILURE, /* another status */
    REPORT_SIGNAL,  /* killed by a signal */
    REPORT_UNKNOWN, /* the dispatcher died before it reported the end */
    REPORT_EXITS
};

/* Counted since the start.  A snapshot copies all of them; they are whole numbers. */
struct report_counts {
    double exits[REPORT_EXITS];
    double starts_failed;
};

struct report {
    struct loop *loop;
    const char *command;    /* for the reader only */
    struct histogram waits; /* from accept to the start of the handler */
    struct histogram runs;  /* from start to end of the handler */
    struct report_counts counts;
    struct {
        uint64_t ticket; /* if `runs` notes another one, this end does not count yet */
        double count;    /* the new value of counts.exits[exit] */
        uint32_t exit;   /* enum report_exit */
    } latest;            /* the end that was noted last */
    bool starts_fail;    /* the last start failed */
    int start_error;     /* of the last start that failed; 0: none has */
    uint64_t start_failed_at;
    uint64_t lines[REPORT_TROUBLES]; /* due in this period, those left out included */
    struct loop_timer period;        /* its end; the first line begins it */
};

/* The client that a line is about. */
struct report_client {
    uint64_t ticket;
    pid_t process; /* its handler, if there is one */
    const struct endpoint *remote;
    bool foreign;   /* another process started the handler, and logs its end */
    bool signalled; /* we have sent the handler a signal */
    bool counted;   /* the end of the handler was counted already, before a supervisor was killed */
};

/* Opens a report, all zero or from an earlier supervisor; `loop` and `command` must stay. */
void report_open(struct report *report, struct loop *loop, const char *command);

/* Logs that the service listens: on a path if that is not NULL, otherwise on an address and port.
 * `text` is the same for people. */
void report_listening(const char *path, const struct endpoint *local, const char *text);

/* Reports the start of a handler, after its client has waited for `waited`; `queued` others wait.
 * After a failed start, also logs that handlers can be started again. */
void report_started(struct report *report, const struct report_client *client, uint64_t waited,
                    uint32_t queued);

/* Reports the end of a handler that ran for `ran`; if it is `counted`, to the log only.  `status`,
 * as wait(2) gives it, and `usage` are NULL if they are not known.  A status by which loaders and
 * shells say that they could not begin, or a kill by the kernel, also gives a line about trouble.
 */
void report_ended(struct report *report, const struct report_client *client, uint64_t ran,
                  const int *status, const struct usage *usage);

/* Logs that a client gave up after it had waited for `waited`. */
void report_abandoned(const struct report_client *client, uint64_t waited);

/* Logs that a client was denied or refused. */
void report_refused(struct report *report, const struct endpoint *remote,
                    enum report_trouble refusal);

/* Reports that a handler could not be started, as errno says.  Its client waits, and the next
 * attempt comes after `delay`. */
void report_start_failed(struct report *report, uint64_t ticket, uint64_t delay);

/* Reports that the handler of a client could not be started, as errno says, perhaps because of this
 * client; `failures` is how often.  Others go first, or the client is `closed`. */
void report_client_failed(struct report *report, const struct report_client *client,
                          unsigned failures, bool closed);

/* Ends the period at once: logs how many lines were left out. */
void report_left_out(struct report *report);

#endif
