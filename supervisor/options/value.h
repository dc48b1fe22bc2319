/*
 * value.h - what an option is, and how its value is read: the columns of the table, and the readers
 * that its entries name.
 *
 * A reader enters what the word means into the options, which may keep a pointer to it, and returns
 * true.  If the word is wrong, it leaves the options unchanged, adds a sentence that says what is
 * accepted, and returns false.
 */
#ifndef SUPERVISOR_OPTIONS_VALUE_H
#define SUPERVISOR_OPTIONS_VALUE_H

#include "dispatcher/shared/text.h"
#include "supervisor/options/options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order of --help; the options that nobody needs any more come last and are not shown. */
enum value_section {
    VALUE_LISTENING,
    VALUE_ADMISSION,
    VALUE_HANDLERS,
    VALUE_RUNNING,
    VALUE_IGNORED
};

/* A value that is being read. */
struct value {
    const struct value_entry *entry;
    struct options *options;
    char *word; /* NULL for an entry without a value */
    struct text *expected;
};

/* An option. */
struct value_entry {
    const char *name;
    char letter; /* the short form; 0: none */
    enum value_section section;
    const char *placeholder; /* the value in --help; NULL: one of `words`, or there is no value */
    bool (*read)(const struct value *value);
    size_t member; /* offset in struct options, unless the reader knows the members */
    size_t size;   /* of that member, in bytes */
    uint32_t least;
    uint32_t most;
    const char *initial;      /* the default, as the operator would write it; NULL: not given */
    const char *zero;         /* what the number 0 means, which is UNLIMITED then; or NULL */
    bool none;                /* the value `none` lifts the limit */
    bool settable;            /* the operator may `set` it while the service runs */
    bool repeated;            /* each further value adds to the ones before */
    bool of_workers;          /* only with --persistent */
    unsigned places;          /* bits 1 << enum options_place; 0: goes with each PORT */
    const char *what;         /* for messages */
    const char *const *words; /* the value, or how it begins; NULL-terminated; NULL: none */
    const char *hint;         /* what a shell can offer besides `words`: scripts/lint.d/options */
    const char *help;         /* the effect; the part before the first semicolon is a summary */
};

/* These enter the value into `member`. */
bool value_flag(const struct value *value);   /* a bool becomes true, whatever the value */
bool value_count(const struct value *value);  /* a uint32_t grows by one */
bool value_number(const struct value *value); /* a uint32_t from `least` to `most` */
bool value_time(const struct value *value);   /* a uint64_t of microseconds, up to a year */
bool value_mode(const struct value *value);   /* a struct options_mode; `what` is an example */
bool value_text(const struct value *value);   /* 1 to `most` bytes; `what` says what it names */
bool value_choice(const struct value *value); /* the number of a word, in a bool or an enum */

/* These have a grammar of their own, and know the members. */
bool value_address(const struct value *value);
bool value_allow(const struct value *value);
bool value_busy_message(const struct value *value);
bool value_deny(const struct value *value);
bool value_limit(const struct value *value);
bool value_load_average(const struct value *value);
bool value_metrics(const struct value *value);
bool value_nice(const struct value *value);
bool value_pressure(const struct value *value);
bool value_rate(const struct value *value);
bool value_ready_descriptor(const struct value *value);
bool value_stderr(const struct value *value); /* a choice, or the path of a file */
bool value_source_prefix(const struct value *value);

/* Reads PORT: a number, the name of a service, unix:PATH, or systemd.  Returns NULL, or what is
 * accepted. */
const char *value_place(struct options *options, const char *word);

#endif
