/*
 * table.h - the one table of options.
 *
 * The command line, its messages, --help and the operator's `set` follow from the table.  So do the
 * completions of the shells, which scripts/lint.d/options writes; the same script compares the
 * manual with the table.
 */
#ifndef SUPERVISOR_OPTIONS_TABLE_H
#define SUPERVISOR_OPTIONS_TABLE_H

#include "supervisor/options/options.h"
#include "supervisor/options/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for each sentence about what an option accepts, with its NUL. */
enum { TABLE_EXPECTED_MAXIMUM = 320 };

/* The entry number `i`, in the order of --help; NULL behind the last. */
const struct value_entry *table_at(size_t i);

/* The entry with this name, or else the first whose name begins with these `length` letters; NULL
 * if there is none.  *other is NULL, or a second entry that the letters could mean as well. */
const struct value_entry *table_named(const char *name, size_t length,
                                      const struct value_entry **other);

/* The entry with this short form, or NULL. */
const struct value_entry *table_lettered(char letter);

/* Notes, and returns, whether the command line has given this option. */
void table_give(const struct value_entry *entry, struct options *options);
bool table_is_given(const struct value_entry *entry, const struct options *options);

bool table_takes_value(const struct value_entry *entry);

/* Sets every option to its default. */
void table_defaults(struct options *options);

/* Enters the value `word` into *options, which may keep a pointer to it; NULL for an entry without
 * a value.  Returns false with what is accepted in `expected`, and *options unchanged, if the value
 * is wrong. */
bool table_apply(const struct value_entry *entry, struct options *options, char *word,
                 char expected[TABLE_EXPECTED_MAXIMUM]);

#endif
