/*
 * visit.h - one client of the service.
 */
#ifndef TESTS_TOOLS_FAULTS_RUN_VISIT_H
#define TESTS_TOOLS_FAULTS_RUN_VISIT_H

#include <stdint.h>

enum visit_end {
    VISIT_ANSWERED,
    VISIT_CUT,    /* the connection ended before */
    VISIT_HANGING /* neither within the time allowed */
};

/* Connects from an address of the loopback network, 127.0.0.`from`, and says something; returns
 * the descriptor, or -1. */
int visit_begin(uint16_t port, unsigned from, const char *words);

/* Waits, milliseconds at most, for the end of the connection, and closes it; what was said goes to
 * `text`, of which there is always an end, unless that is NULL.  Answered is who was told
 * anything. */
enum visit_end visit_end(int descriptor, int milliseconds, char *text, unsigned size);

/* Closes it in a way that the other end cannot overlook. */
void visit_reset(int descriptor);

#endif
