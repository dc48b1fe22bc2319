/*
 * options.h - the command line of the load client; what each option means stands in load.c.
 */
#ifndef TESTS_TOOLS_BENCH_LOAD_OPTIONS_H
#define TESTS_TOOLS_BENCH_LOAD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct options {
    struct sockaddr_storage address;
    struct sockaddr_storage source; /* AF_UNSPEC without -f */
    socklen_t address_length;       /* of both */
    unsigned count;
    unsigned sources;
    unsigned in_flight; /* COUNT at most */
    int patience;       /* in milliseconds */
    const char *answer;
    size_t answer_length; /* as the answer may contain \0 */
    bool sends_line;
    const char *timeline; /* NULL without -w */
};

/* Ends the program if the words are wrong. */
void options_parse(struct options *options, int argc, char **argv);

/* Raises the limit on descriptors, and ends the program with a sentence if so many connections at
 * once cannot be had: for want of descriptors, or of ports at the source addresses. */
void options_check_room(const struct options *options);

#endif
