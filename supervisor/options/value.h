/*
 * value.h - values of options that have a grammar of their own.
 *
 * Each reads a word and enters what it means; the word must stay.  Returns NULL, or what is wrong
 * with the word, to be put behind it.
 */
#ifndef SUPERVISOR_OPTIONS_VALUE_H
#define SUPERVISOR_OPTIONS_VALUE_H

#include "supervisor/options/options.h"

const char *value_address(struct options *options, char *word);
const char *value_backlog(struct options *options, char *word);
const char *value_when_full(struct options *options, char *word);
const char *value_busy_message(struct options *options, char *word);
const char *value_order(struct options *options, char *word);
const char *value_source_prefix(struct options *options, char *word);
const char *value_load_average(struct options *options, char *word);
const char *value_pressure(struct options *options, char *word);
const char *value_rate(struct options *options, char *word);
const char *value_allow(struct options *options, char *word);
const char *value_deny(struct options *options, char *word);
const char *value_abandon(struct options *options, char *word);
const char *value_umask(struct options *options, char *word);
const char *value_nice(struct options *options, char *word);
const char *value_limit(struct options *options, char *word);
const char *value_standard_error(struct options *options, char *word);
const char *value_bind_to_device(struct options *options, char *word);
const char *value_socket_mode(struct options *options, char *word);
const char *value_metrics(struct options *options, char *word);
const char *value_log_format(struct options *options, char *word);
const char *value_place(struct options *options, char *word); /* PORT */
const char *value_ready_descriptor(struct options *options, char *word);

#endif
