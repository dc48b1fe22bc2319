/*
 * access.h - who is served: prefixes of addresses, each with a verdict, of which the most specific
 * match wins.  The order in which the rules were written does not matter.
 *
 * Whom no rule matches is served, unless there are rules and all of them allow: then who is not
 * among them is denied.  That looks at the rules of both families together, so that somebody who
 * allows a single IPv4 network is not open to all of IPv6.
 *
 * No IPv6 prefix, ::/0 included, matches an IPv4 client: how a client came to our
 * socket must not decide which rules it meets.
 *
 * Prefixes are nested or disjoint, never anything else; so they cut the addresses of a family into
 * disjoint ranges, each with one verdict: that of the innermost prefix around it.  Compiled, a
 * family is the sorted array of the ranges' first addresses, and a look-up is one binary search in
 * it.  N rules make at most 2N + 1 ranges, and fewer if neighbours agree: 10,000 rules cost 15
 * comparisons at the most, 10 rules 5, and how deeply they are nested costs nothing.  A tree of
 * bits would walk up to 128 nodes, each a cache miss; a list would be looked at from end to end.
 */
#ifndef SUPERVISOR_QUEUE_ACCESS_H
#define SUPERVISOR_QUEUE_ACCESS_H

#include "dispatcher/protocol.h"
#include "supervisor/options/access_rules.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From `first` to before the next one's, or to the last address that there is. */
struct access_range {
    uint8_t first[16]; /* as in struct access_rule */
    bool allow;
};

/* Those of one family, sorted; the first begins with the first address, and neighbours differ. */
struct access_ranges {
    struct access_range *list;
    size_t count; /* 0: nothing was compiled */
};

/* The rules compiled.  Zeroed it allows everybody. */
struct access {
    struct access_ranges ipv4;
    struct access_ranges ipv6;
    bool others_denied; /* whom no rule matches */
};

/* Puts the compiled rules in place of what `access` was before.  Returns false with a sentence in
 * `error`, and `access` as it was, if a prefix is both allowed and denied (to be given twice with
 * one verdict is no harm), or without memory. */
bool access_build(struct access *access, const struct access_rules *rules,
                  char error[ACCESS_ERROR_MAXIMUM]);

/* Whether a client is to be served.  Neither allocates nor fails.  Those of a Unix socket are
 * always allowed: the permissions of its file rule there.  Who is of no family that is known is
 * treated as matched by no rule. */
bool access_allows(const struct access *access, const struct endpoint *remote);

/* Zeroes it: everybody is allowed. */
void access_free(struct access *access);

#endif
