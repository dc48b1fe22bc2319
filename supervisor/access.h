/*
 * access.h - who is served: prefixes of addresses, each with a verdict, of which the most specific
 * match wins.  The order in which the rules were written does not matter.
 *
 * Whom no rule matches is served, unless there are rules and all of them allow: then who is not
 * among them is denied.  That looks at the rules of both families together, so that somebody who
 * allows a single IPv4 network is not open to all of IPv6.
 *
 * A prefix inside ::ffff:0:0/96 is kept as the IPv4 prefix that it stands for, as endpoints are.
 * No other IPv6 prefix, ::/0 included, matches an IPv4 client: how a client came to our socket must
 * not decide which rules it meets.
 *
 * Rules are kept as they were written, and compiled when they are complete.  Prefixes are nested or
 * disjoint, never anything else; so they cut the addresses of a family into disjoint ranges, each
 * with one verdict: that of the innermost prefix around it.  Compiled, a family is the sorted array
 * of the ranges' first addresses, and a look-up is one binary search in it.  N rules make at most
 * 2N + 1 ranges, and fewer if neighbours agree: 10,000 rules cost 15 comparisons at the most, 10
 * rules 5, and how deeply they are nested costs nothing.  A tree of bits would walk up to 128
 * nodes, each a cache miss; a list in the order of the rules would look at all of them.
 */
#ifndef SUPERVISOR_ACCESS_H
#define SUPERVISOR_ACCESS_H

#include "dispatcher/protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ACCESS_LINE_MAXIMUM = 256, /* bytes of a line in an access file, without its end */
    ACCESS_ERROR_MAXIMUM = 256 /* enough for each sentence written here, with its NUL */
};

struct access_rule {
    uint16_t family; /* AF_INET, address in the first 4 bytes, the others 0; or AF_INET6 */
    uint8_t length;  /* of the prefix, in bits; all bits of the address behind it are 0 */
    bool allow;
    uint8_t address[16];
    uint32_t line; /* of the access file, from 1; 0: the command line */
};

/* The rules as they were written, in that order.  Zeroed it is empty. */
struct access_rules {
    struct access_rule *list;
    size_t count;
    size_t capacity;
};

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

/* Adds the rule that a word stands for: "ADDRESS", "ADDRESS/LENGTH", or "all", which is all
 * addresses of both families and makes two rules.  Returns NULL; or what is wrong with the word, to
 * be put behind it, and then nothing was added. */
const char *access_add(struct access_rules *rules, bool allow, const char *word, uint32_t line);

/* Adds the rules of an access file, one a line: "allow WORD" or "deny WORD", the words as above,
 * with blanks and tabs around them.  '#' begins a comment, empty lines say nothing, lines may end
 * with CR LF, and the last one with nothing.  `text` need not end with a NUL, and may not contain
 * one.  Returns false with "line N: 'WORD': ..." in `error` for the first line that is wrong, and
 * then nothing was added; what is shown there of the file is short and printable. */
bool access_add_text(struct access_rules *rules, const char *text, size_t length,
                     char error[ACCESS_ERROR_MAXIMUM]);

/* Forgets all rules; what has been compiled of them stays. */
void access_rules_free(struct access_rules *rules);

/* Puts the compiled rules in place of what `access` was before.  Returns false with a sentence in
 * `error`, and `access` as it was, if a prefix is both allowed and denied (to be given twice with
 * one verdict is no harm), or without memory. */
bool access_build(struct access *access, const struct access_rules *rules,
                  char error[ACCESS_ERROR_MAXIMUM]);

/* Whether a client is to be served.  Neither allocates nor fails; who has no address of either
 * family is treated as matched by no rule. */
bool access_allows(const struct access *access, const struct endpoint *remote);

/* Zeroes it: everybody is allowed. */
void access_free(struct access *access);

#endif
