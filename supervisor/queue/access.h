/*
 * access.h - which clients are served: prefixes of addresses, each with a verdict.  The most
 * specific match wins; the order of the rules does not matter.
 *
 * A client that no rule matches is served, unless all rules allow: then it is denied.  The rules of
 * both families count together, so that allowing one IPv4 network does not open all of IPv6.
 *
 * No IPv6 prefix, not even ::/0, matches an IPv4 client: which socket a client came to must not
 * decide which rules it meets.
 *
 * Two prefixes are nested or disjoint.  So they cut the addresses of a family into disjoint ranges,
 * each with the verdict of the innermost prefix around it.  Compiled, a family is the sorted array
 * of the first addresses of its ranges, and a look-up is a binary search.  N rules make at most 2N
 * + 1 ranges: 10,000 rules cost at most 15 comparisons, 10 rules 5, however deeply they are nested.
 * A tree of bits would walk up to 128 nodes, each a cache miss.
 */
#ifndef SUPERVISOR_QUEUE_ACCESS_H
#define SUPERVISOR_QUEUE_ACCESS_H

#include "dispatcher/protocol.h"
#include "supervisor/options/access_rules.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The addresses from `first` up to the next range, or to the last address. */
struct access_range {
    uint8_t first[16]; /* as in struct access_rule */
    bool allow;
};

/* The ranges of one family, sorted.  The first begins with the first address; neighbours differ. */
struct access_ranges {
    struct access_range *list;
    size_t count; /* 0: nothing was compiled */
};

/* The compiled rules.  All zero: every client is allowed. */
struct access {
    struct access_ranges ipv4;
    struct access_ranges ipv6;
    bool others_denied; /* clients that no rule matches */
};

/* Compiles the rules and replaces what `access` was.  Returns false with a sentence in `error`, and
 * `access` as it was, if a prefix is both allowed and denied, or without memory. */
bool access_build(struct access *access, const struct access_rules *rules,
                  char error[ACCESS_ERROR_MAXIMUM]);

/* Whether a client may be served.  Neither allocates nor fails.  Clients of a Unix socket are
 * always allowed: the permissions of its file decide.  An unknown family matches no rule. */
bool access_allows(const struct access *access, const struct endpoint *remote);

/* Frees the rules: every client is allowed. */
void access_free(struct access *access);

#endif
