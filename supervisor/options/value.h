/*
 * value.h - the values that have a grammar of their own: each function reads the value of one
 * option, or of PORT.
 *
 * Each enters what `word` means into *options, which may keep a pointer to it, and returns NULL. If
 * the word is wrong, it leaves *options unchanged and returns a sentence that says what is
 * accepted.
 */
#ifndef SUPERVISOR_OPTIONS_VALUE_H
#define SUPERVISOR_OPTIONS_VALUE_H

#include "supervisor/options/options.h"

/* PORT: a number, the name of a service, unix:PATH, or systemd. */
const char *value_place(struct options *options, char *word);

const char *value_address(struct options *options, char *word);
const char *value_allow(struct options *options, char *word);
const char *value_busy_message(struct options *options, char *word);
const char *value_deny(struct options *options, char *word);
const char *value_limit(struct options *options, char *word);
const char *value_load_average(struct options *options, char *word);
const char *value_metrics(struct options *options, char *word);
const char *value_nice(struct options *options, char *word);
const char *value_pressure(struct options *options, char *word);
const char *value_rate(struct options *options, char *word);
const char *value_ready_descriptor(struct options *options, char *word);
const char *value_source_prefix(struct options *options, char *word);

#endif
