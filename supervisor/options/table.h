/*
 * table.h - the one table of options.
 *
 * The command line, its messages, --help and the operator's `set` follow from the table.  So do the
 * completions of the shells and the list of options in README, which scripts/lint.d/options writes;
 * the same script holds the manual against the table.
 */
#ifndef SUPERVISOR_OPTIONS_TABLE_H
#define SUPERVISOR_OPTIONS_TABLE_H

#include "supervisor/options/options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for each sentence about what an option accepts, with its NUL. */
enum { TABLE_EXPECTED_MAXIMUM = 320 };

/* In the order of --help; the options that nobody needs any more come last and are not shown. */
enum table_section {
    TABLE_LISTENING,
    TABLE_ADMISSION,
    TABLE_HANDLERS,
    TABLE_RUNNING,
    TABLE_IGNORED
};

enum table_kind {
    TABLE_FLAG,   /* a bool becomes true; no value */
    TABLE_COUNT,  /* a uint32_t grows by one; no value */
    TABLE_NUMBER, /* a uint32_t from `least` to `most` */
    TABLE_TIME,   /* a uint64_t of microseconds, from `least` to a year */
    TABLE_MODE,   /* a struct options_mode; `what` is an example */
    TABLE_TEXT,   /* a const char *, 1 to `most` bytes; `what` says what it names */
    TABLE_CHOICE, /* one of `words`: its number, in a bool or an enum */
    TABLE_ANY,    /* any value: a bool becomes true */
    TABLE_OTHER   /* `read` has a grammar of its own: value.h */
};

/* What a shell can offer as the value, besides `words`. */
enum table_hint {
    TABLE_HINT_NONE,
    TABLE_HINT_FILE,
    TABLE_HINT_AT_FILE, /* a file with "@" before its path, or a text */
    TABLE_HINT_DIRECTORY,
    TABLE_HINT_USER,
    TABLE_HINT_GROUP,
    TABLE_HINT_INTERFACE,
    TABLE_HINT_HOST
};

struct table_entry {
    const char *name;
    char letter; /* the short form; 0: none */
    enum table_section section;
    enum table_kind kind;
    const char *placeholder; /* the value in --help; of TABLE_CHOICE its words */
    size_t member;           /* offset in struct options, unless TABLE_OTHER */
    size_t size;             /* of that member, in bytes */
    uint32_t least;
    uint32_t most;
    const char *initial;      /* the default, as the operator would write it; NULL: not given */
    const char *zero;         /* what the number 0 means, which is UNLIMITED then; or NULL */
    bool none;                /* the value `none` lifts the limit */
    bool settable;            /* the operator may `set` it while the service runs */
    bool repeated;            /* each further value adds to the ones before */
    unsigned places;          /* bits 1 << enum options_place; 0: goes with each PORT */
    const char *what;         /* for messages */
    const char *const *words; /* NULL-terminated; NULL: none */
    enum table_hint hint;
    const char *(*read)(struct options *options, char *word);
    const char *help; /* the effect; the part before the first semicolon is a summary */
};

/* The entry number `i`, in the order of --help; NULL behind the last. */
const struct table_entry *table_at(size_t i);

/* The entry with this name, or else the first whose name begins with these `length` letters; NULL
 * if there is none.  *other is NULL, or a second entry that the letters could mean as well. */
const struct table_entry *table_named(const char *name, size_t length,
                                      const struct table_entry **other);

/* The entry with this short form, or NULL. */
const struct table_entry *table_lettered(char letter);

bool table_takes_value(const struct table_entry *entry);

/* Sets every option to its default. */
void table_defaults(struct options *options);

/* Enters the value `word` into *options, which may keep a pointer to it; NULL for an entry without
 * a value.  Returns false with what is accepted in `expected`, and *options unchanged, if the value
 * is wrong. */
bool table_apply(const struct table_entry *entry, struct options *options, char *word,
                 char expected[TABLE_EXPECTED_MAXIMUM]);

#endif
