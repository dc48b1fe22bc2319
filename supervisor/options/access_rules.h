/*
 * access_rules.h - who is to be served, as it was written: prefixes of addresses, each with a
 * verdict, from the command line and from a file.
 *
 * A prefix inside ::ffff:0:0/96 is kept as the IPv4 prefix that it stands for, as endpoints are.
 */
#ifndef SUPERVISOR_OPTIONS_ACCESS_RULES_H
#define SUPERVISOR_OPTIONS_ACCESS_RULES_H

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

/* Adds the rule that a word stands for: "ADDRESS", "ADDRESS/LENGTH", or "all", which is all
 * addresses of both families and makes two rules.  Returns NULL; or what is wrong with the word, to
 * be put behind it, and then nothing was added. */
const char *access_rules_add(struct access_rules *rules, bool allow, const char *word,
                             uint32_t line);

/* Adds the rules of an access file, one a line: "allow WORD" or "deny WORD", the words as above,
 * with blanks and tabs around them.  '#' begins a comment, empty lines say nothing, lines may end
 * with CR LF, and the last one with nothing.  `text` need not end with a NUL, and may not contain
 * one.  Returns false with "line N: 'WORD': ..." in `error` for the first line that is wrong, and
 * then nothing was added; what is shown there of the file is short and printable. */
bool access_rules_add_text(struct access_rules *rules, const char *text, size_t length,
                           char error[ACCESS_ERROR_MAXIMUM]);

/* Forgets all rules; what has been compiled of them stays. */
void access_rules_free(struct access_rules *rules);

#endif
