/*
 * characters.h - writes text of unknown origin to a terminal.
 *
 * A terminal obeys control characters, so no control character of the daemon, or of a name in its
 * answers, may reach a terminal.
 */
#ifndef DAMPENERCTL_CHARACTERS_H
#define DAMPENERCTL_CHARACTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Writes lines of text.  A question mark replaces each character that controls a terminal, except
 * newline and tab; without `utf8`, each character beyond ASCII, too.  Returns whether all of it was
 * written. */
bool characters_print(FILE *stream, const char *bytes, size_t length, bool utf8);

#endif
