/*
 * text.h - puts a text together in a buffer of the caller's, which it never exceeds.
 */
#ifndef DISPATCHER_SHARED_TEXT_H
#define DISPATCHER_SHARED_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *bytes; /* always ends with a 0 */
    size_t size; /* room, that one included */
    size_t length;
    bool cut; /* something did not fit, and was left out from there on */
};

/* An empty text; `size` is 1 at least. */
void text_open(struct text *text, char *bytes, size_t size);

__attribute__((format(printf, 2, 3))) void text_add(struct text *text, const char *format, ...);

/* A string of JSON (RFC 8259), with its quotation marks.  What is no UTF-8 becomes U+FFFD. */
void text_add_json(struct text *text, const char *string);

/* Likewise, but always a whole string: of a longer one, as many characters as there is room for,
 * which is that for the quotation marks at least. */
void text_add_json_cut(struct text *text, const char *string);

/* Seconds since 1970, as in RFC 3339: "2026-11-22T16:02:59.007Z". */
void text_add_time(struct text *text, int64_t seconds, unsigned milliseconds);

#endif
