/*
 * characters.h - what may be shown of texts that somebody else has written.
 *
 * A terminal obeys what it is sent, so nothing that the daemon, or a name in its answers, says
 * reaches one with a control character in it.
 */
#ifndef DAMPENERCTL_CHARACTERS_H
#define DAMPENERCTL_CHARACTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The character of UTF-8 (RFC 3629) that begins here, of so many bytes, one at least.  Returns how
 * many are its own, or 0 if there is none. */
size_t characters_decode(const char *bytes, size_t length, uint32_t *character);

/* Writes a text of lines to a terminal.  Each character that would do something there but newline
 * and tab becomes a question mark; without `utf8`, so do all beyond ASCII.  Returns whether all of
 * it was written. */
bool characters_print(FILE *stream, const char *bytes, size_t length, bool utf8);

#endif
