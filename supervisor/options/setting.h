/*
 * setting.h - each option by itself: its name, and what its value does to struct options.
 */
#ifndef SUPERVISOR_OPTIONS_SETTING_H
#define SUPERVISOR_OPTIONS_SETTING_H

#include "supervisor/options/options.h"

#include <stdbool.h>
#include <stddef.h>

enum { SETTING_TEXT_MAXIMUM = 320 };

struct setting;

/* The setting whose name is, or begins with, the first `length` letters of `name`; NULL if there is
 * none.  *other is a second one that begins with them, if neither is the whole name; else NULL. */
const struct setting *setting_named(const char *name, size_t length, const struct setting **other);

/* The setting with this short form, or NULL. */
const struct setting *setting_lettered(char letter);

const char *setting_name(const struct setting *setting);
bool setting_takes_word(const struct setting *setting);

/* Applies it; `word` is its value, or NULL if it takes none, and must stay.  Returns false if the
 * value is wrong, with what is accepted in `expected`. */
bool setting_apply(const struct setting *setting, struct options *options, char *word,
                   char expected[SETTING_TEXT_MAXIMUM]);

#endif
