/*
 * options.h - the command line: what the operator wants, checked word by word.
 */
#ifndef SUPERVISOR_OPTIONS_H
#define SUPERVISOR_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OPTIONS_QUEUE_UNLIMITED = UINT32_MAX - 1, OPTIONS_PROCESSES_MAXIMUM = 4194304 };

struct options {
    /* listening */
    uint16_t port;
    char **addresses;
    size_t address_count;
    bool ipv4;
    bool ipv6;
    bool backlog; /* given, and to be warned about */

    /* admission */
    uint32_t processes; /* 0: no limit */
    uint32_t queue;     /* most clients waiting */
    bool load_limited;
    double load_average;

    /* running */
    unsigned dispatchers;   /* 0: not given */
    uint64_t drain_timeout; /* microseconds */
    int ready_descriptor;   /* -1: none */
    unsigned verbosity;

    bool help;
    bool version;

    char *const *command; /* CMD and its arguments, NULL-terminated */
};

/* Reads argv, whose strings *options refers to.  Returns false if a word was wrong; one line on
 * standard error has said then which, and what is accepted.  With `help` or `version` set, what
 * stands behind that option has not been looked at, and the rest need not be complete. */
bool options_parse(struct options *options, char *const *argv);

#endif
