/*
 * output.h - what this program prints: answers, and complaints.
 *
 * A terminal obeys control characters, so no control character of the daemon, or of a name in its
 * answers, may reach a terminal.
 */
#ifndef DAMPENERCTL_OUTPUT_H
#define DAMPENERCTL_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* The exit status. */
enum { OUTPUT_DONE = 0, OUTPUT_FAILED = 1, OUTPUT_WRONG_USAGE = 2 };

/* Returns whether people read UTF-8. */
bool output_is_utf8(void);

/* Writes lines of text.  A question mark replaces each character that controls a terminal, except
 * newline and tab; without `utf8`, each character beyond ASCII, too.  Returns whether all of it was
 * written. */
bool output_print(FILE *stream, const char *bytes, size_t length, bool utf8);

/* Returns OUTPUT_DONE if everything was written and reached standard output, or complains. */
int output_finish(bool written);

/* Writes a complaint to standard error, without control characters.  Returns `status`. */
__attribute__((format(printf, 2, 3))) int output_complain(int status, const char *format, ...);

#endif
