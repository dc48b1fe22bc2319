/*
 * access_rules.h - which clients to serve, as the operator wrote it: prefixes of addresses, each
 * with a verdict, from the command line and from a file.
 *
 * A prefix inside ::ffff:0:0/96 is kept as the IPv4 prefix that it stands for, because the address
 * of such a client is kept as an IPv4 address.
 */
#ifndef SUPERVISOR_OPTIONS_ACCESS_RULES_H
#define SUPERVISOR_OPTIONS_ACCESS_RULES_H

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
};

/* The rules in the order in which they were written.  Zeroed it is empty. */
struct access_rules {
    struct access_rule *list;
    size_t count;
    size_t capacity;
};

/* Adds the rule that a word stands for: "ADDRESS", "ADDRESS/LENGTH", or "all".  "all" makes two
 * rules, one for each family.  Returns NULL; or a sentence that says what is wrong, and adds
 * nothing. */
const char *access_rules_add(struct access_rules *rules, bool allow, const char *word,
                             uint32_t line);

/* Adds the rules of an access file.  A line is "allow WORD" or "deny WORD", with blanks and tabs
 * around the words; WORD is as above.  '#' begins a comment.  A line may be empty, and may end with
 * CR LF; the last line needs no end.  `text` needs no NUL at its end and may not contain one.
 *
 * Returns false with "line N: 'WORD': ..." in `error` for the first wrong line, and adds nothing
 * then. The error shows only a short and printable piece of the file. */
bool access_rules_add_text(struct access_rules *rules, const char *text, size_t length,
                           char error[ACCESS_ERROR_MAXIMUM]);

/* Releases all rules. */
void access_rules_free(struct access_rules *rules);

#endif
