/*
 * snapshot.h - the figures of the service at one moment, as plain values.
 *
 * The server fills in a snapshot when somebody asks, and figures.h renders it.  Each number is a
 * double: a count, or a time in seconds.  NAN stands for an unknown figure, INFINITY for a limit
 * that is not set.  Pointers refer to memory of the server, and stay valid until the next round of
 * its loop.
 */
#ifndef SUPERVISOR_FIGURES_SNAPSHOT_H
#define SUPERVISOR_FIGURES_SNAPSHOT_H

#include "supervisor/base/address.h"
#include "supervisor/base/histogram.h"
#include "supervisor/figures/report.h"

#include <stddef.h>

enum { SNAPSHOT_BUSIEST = 10, SNAPSHOT_NAME = 64 };

/* One word out of a vocabulary. */
struct snapshot_word {
    const char *name;  /* for programs */
    const char *words; /* for people */
};

struct snapshot_choice {
    const struct snapshot_word *words;
    size_t count;
    size_t chosen; /* index of the word that applies */
};

/* A row of a list: a name and two numbers. */
struct snapshot_row {
    const char *key;  /* what the name is: "address", "path", "source" or "gate" */
    const char *name; /* may point to `own` */
    double port;      /* NAN: none */
    double counts[2];
    char own[SNAPSHOT_NAME];
};

struct snapshot_list {
    const char *const *counted; /* a word for each of the two counts */
    const struct snapshot_row *rows;
    size_t length;
    const char *none; /* for people, in place of no rows; NULL: "-" */
};

/* The last failed start. */
struct snapshot_error {
    const char *text; /* NULL: no start has failed */
    double ago;
    double at; /* seconds since 1970 */
};

struct snapshot_rate {
    double count; /* INFINITY: there is no limit, and the period means nothing */
    double period;
};

struct snapshot {
    const char *version, *command;
    struct snapshot_choice state, held_back_by;
    double process, began_at, uptime;

    double accepted, queued, starting, running, lingering, sources, oldest;
    struct {
        double served, abandoned, denied, refused_queue, refused_source, refused_timeout, dropped,
            handed_over;
    } ended;
    struct {
        double processes, queue, queue_timeout, per_source, load_average;
        struct snapshot_rate rate;
    } limits;

    const struct histogram *wait_histogram, *run_histogram, *unserved_histogram;
    struct histogram_quantiles waits, runs, unserved;
    struct report_counts counts;
    struct {
        double wanted, ready, restarts;
    } dispatchers;
    struct {
        double used, allowed;
    } descriptors;
    struct snapshot_choice log;
    double log_lines_dropped, control_refused;

    struct snapshot_list listeners; /* how many connections wait, and the kernel dropped */
    struct snapshot_list busiest;   /* the most clients first */
    struct snapshot_list gates;     /* that are set: the figure now, and its limit */
    struct snapshot_error last_start_error;
};

#endif
