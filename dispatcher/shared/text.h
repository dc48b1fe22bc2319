/*
 * text.h - builds a text in a buffer of the caller, and never exceeds it.
 */
#ifndef DISPATCHER_SHARED_TEXT_H
#define DISPATCHER_SHARED_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *bytes; /* NUL-terminated */
    size_t size; /* room, NUL included */
    size_t length;
    bool cut; /* a piece did not fit: it and all later ones are missing */
};

/* Begins an empty text; `size` is at least 1. */
void text_open(struct text *text, char *bytes, size_t size);

__attribute__((format(printf, 2, 3))) void text_add(struct text *text, const char *format, ...);

/* Decodes the character of UTF-8 (RFC 3629) at the beginning of `length` bytes, one at least.
 * Returns its length, or 0 if there is no valid character. */
size_t text_decode(const char *bytes, size_t length, uint32_t *character);

/* Adds a JSON string (RFC 8259) with its quotation marks.  Bytes that are not UTF-8 become
 * U+FFFD. */
void text_add_json(struct text *text, const char *string);

/* Adds a JSON string, shortened to the room, so that it stays a valid string.  Requires room for
 * the quotation marks. */
void text_add_json_cut(struct text *text, const char *string);

/* Adds a time in seconds since 1970 as RFC 3339: "2026-11-22T16:02:59.007Z". */
void text_add_time(struct text *text, int64_t seconds, unsigned milliseconds);

#endif
