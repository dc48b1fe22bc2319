/*
 * command_line.h - reads the words of the command line by the table of options, and prints the
 * help.
 */
#ifndef SUPERVISOR_OPTIONS_COMMAND_LINE_H
#define SUPERVISOR_OPTIONS_COMMAND_LINE_H

#include "supervisor/options/options.h"

#include <stdbool.h>

/* Reads argv, which must stay: *options points into it.  Returns false if a word is wrong, after a
 * line on standard error that names the word and says what is accepted.  Behind --check-config, all
 * wrong values get such a line.  `help` or `version` end the reading: the words behind that option
 * are not looked at, and the others need not be complete. */
bool command_line_parse(struct options *options, char *const *argv);

/* Print on standard output, at most 80 columns wide; return whether everything was written. */
bool command_line_help(void);
bool command_line_version(void);

#endif
