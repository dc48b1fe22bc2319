/*
 * status.h - what the daemon says of itself, read out of its answer to "status".
 *
 * Daemons may be older or newer than this program: what an answer lacks is unknown, what is not
 * known here is passed over.  Numbers are doubles, NAN for what is unknown, and infinite for
 * a limit that the daemon says there is none of (null).  Times are in seconds.  Texts are printable
 * ASCII.
 */
#ifndef DAMPENERCTL_STATUS_H
#define DAMPENERCTL_STATUS_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#define STATUS_UNKNOWN   ((double)NAN)
#define STATUS_UNLIMITED ((double)INFINITY)

enum { STATUS_LISTENERS = 16, STATUS_BUSIEST = 10 };

struct status_listener {
    char address[128]; /* or the path */
    double port;       /* NAN for a path */
    double backlog;
    double dropped;
};

struct status_source {
    char source[64];
    double waiting;
    double running;
};

struct status_spread {
    double of; /* so many were looked at */
    double p50, p90, p99, longest;
};

struct status {
    char version[32];
    char state[24];
    char command[64];
    char held_back_by[32];
    double process, uptime;
    double accepted, queued, starting, running, lingering, oldest, sources;
    struct {
        double served, abandoned, denied, refused_queue, refused_source, refused_timeout, dropped;
    } ended;
    struct {
        double processes, queue, queue_timeout, per_source, load_average;
        double rate_count, rate_period; /* the first is INFINITY if there is none */
    } limits;
    struct status_spread waits, runs;
    struct {
        double success, failure, signal, unknown;
    } exits;
    struct {
        double wanted, ready, restarts;
    } dispatchers;
    double start_failures;
    double descriptors_used, descriptors_allowed;
    double log_lines_dropped;
    struct status_listener listeners[STATUS_LISTENERS]; /* more are left out */
    size_t listener_count;
    struct status_source busiest[STATUS_BUSIEST];
    size_t busiest_count;
};

/* Returns whether the answer is an object of JSON. */
bool status_read(struct status *status, const char *answer, size_t length);

#endif
