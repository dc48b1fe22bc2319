/*
 * access.h - which clients are served: prefixes of addresses, each with a verdict, from the command
 * line and from a file.  The most specific match wins; the order of the rules does not matter.
 *
 * A rule may name a host: it stands for as many rules as the host has addresses, once
 * access_look_up() has found them.
 *
 * A client that no rule matches is served, unless all rules allow: then it is denied.  The rules of
 * both families count together, so that allowing one IPv4 network does not open all of IPv6.
 *
 * A prefix inside ::ffff:0:0/96 is kept as the IPv4 prefix that it stands for, because the address
 * of such a client is kept as an IPv4 address.  No other IPv6 prefix, not even ::/0, matches an
 * IPv4 client: which socket a client came to must not decide which rules it meets.
 *
 * Two prefixes are nested or disjoint.  So the sorted rules need no tree: the last rule at or
 * before an address contains it, or lies inside the rule that does.  A look-up is a binary search,
 * and some steps outwards: 14 comparisons among 10,000 rules, and one more for each rule that
 * surrounds the one found.  A tree of bits would walk up to 128 nodes, each a cache miss.
 */
#ifndef SUPERVISOR_OPTIONS_ACCESS_H
#define SUPERVISOR_OPTIONS_ACCESS_H

#include "dispatcher/protocol.h"
#include "supervisor/base/parse.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACCESS_LINE_MAXIMUM 256 /* bytes of a line in an access file, without its end */

enum { ACCESS_ERROR_MAXIMUM = 256 /* room for each sentence about a wrong rule, with its NUL */ };

struct access_rule {
    uint16_t family; /* AF_INET: the address is the first 4 bytes, the others are 0; or AF_INET6 */
    uint8_t length;  /* bits of the prefix; all further bits of the address are 0 */
    bool allow;
    uint8_t address[16];
    uint32_t line; /* in the access file, from 1; 0: the command line */
    uint32_t
        around; /* once compiled: the number of the innermost rule around it, from 1; 0: none */
};

/* A host whose addresses are not known yet. */
struct access_host {
    bool allow;
    uint32_t line;
    char name[PARSE_HOST_MAXIMUM + 1];
};

/* The rules, in the order in which they were written until they are compiled.  Zeroed it is empty,
 * and every client is allowed. */
struct access {
    struct access_rule *list;
    size_t count;
    size_t capacity;
    struct access_host *hosts;
    size_t host_count;
    size_t mapped; /* bytes of a memory file that `list` is in, read-only; 0: it is on the heap */
    bool others_denied; /* clients that no rule matches; once compiled */
};

/* Adds the rule that a word stands for: "ADDRESS", "ADDRESS/LENGTH", a host name, or "all".  "all"
 * makes two rules, one for each family.  Returns NULL; or a sentence that says what is wrong, and
 * adds nothing. */
const char *access_add(struct access *access, bool allow, const char *word, uint32_t line);

/* Adds the rules of an access file.  A line is "allow WORD" or "deny WORD", with blanks and tabs
 * around the words; WORD is as above.  '#' begins a comment.  A line may be empty, and may end with
 * CR LF; the last line needs no end.  `text` needs no NUL at its end and may not contain one.
 *
 * Returns false with "line N: 'WORD': ..." in `error` for the first wrong line, and adds nothing
 * then. The error shows only a short and printable piece of the file. */
bool access_add_text(struct access *access, const char *text, size_t length,
                     char error[ACCESS_ERROR_MAXIMUM]);

/* Looks up the hosts, and adds a rule for each address.  Returns false with "line N: 'NAME': ..."
 * or
 * "--allow: 'NAME': ..." in `error` for the first host without an address.
 * Waits for name servers (lookup.h). */
bool access_look_up(struct access *access, char error[ACCESS_ERROR_MAXIMUM]);

/* Makes `copy`, whatever it was, a copy of the rules, without hosts.  Returns false without memory;
 * `copy` is empty then. */
bool access_copy(struct access *copy, const struct access *access);

/* Prepares the rules for access_allows(): sorts them, and leaves one of each prefix.  No host may
 * be left.  Returns false with a sentence in `error` if a prefix is both allowed and denied; the
 * rules are of no use then. */
bool access_compile(struct access *access, char error[ACCESS_ERROR_MAXIMUM]);

/* Writes compiled rules to an empty memory file.  Returns false with errno. */
bool access_write(const struct access *access, int memory);

/* Writes compiled rules to a memory file, and seals it.  Returns the descriptor, which the caller
 * closes; or -1 with errno. */
int access_save(const struct access *access);

/* Makes `access`, whatever it was, the rules of such a file, which is trusted once it is sealed.
 * Copies nothing, so it takes as long for many rules as for one.  Returns false with errno. */
bool access_load(struct access *access, int memory);

/* Whether compiled rules serve a client.  Neither allocates nor fails.  Clients of a Unix socket
 * are always allowed: the permissions of its file decide.  An unknown family matches no rule. */
bool access_allows(const struct access *access, const struct endpoint *remote);

/* Releases all rules: every client is allowed. */
void access_free(struct access *access);

#endif
