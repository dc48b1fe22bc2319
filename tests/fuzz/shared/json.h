/*
 * json.h - reads values by their path out of a JSON text (RFC 8259): what the daemon writes is held
 * against it.
 *
 * The whole text is checked first, strictly: after json_open() has succeeded, no value of it can be
 * malformed.  Values are places in the caller's text, which must stay; nothing is allocated.  Each
 * look-up reads the text up to the value.
 */
#ifndef TESTS_FUZZ_SHARED_JSON_H
#define TESTS_FUZZ_SHARED_JSON_H

#include <stdbool.h>
#include <stddef.h>

enum { JSON_DEPTH = 32 /* arrays and objects in one another */ };

enum json_type {
    JSON_MISSING, /* there is no such value */
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

struct json_value {
    enum json_type type;
    const char *start;
    size_t length;
};

/* Returns whether the text is one value of JSON and nothing else; `root` is that value. */
bool json_open(struct json_value *root, const char *text, size_t length);

/* The value whose path is names with dots between them, such as "ended.served".  Of members with
 * the same name the first counts. */
struct json_value json_find(struct json_value object, const char *path);

/* The element of an array with that number, from 0. */
struct json_value json_element(struct json_value array, size_t number);

/* Returns whether it is a number, and one that is finite as a double. */
bool json_number(struct json_value value, double *number);

/* A string for people to read: what is not printable ASCII becomes a question mark, what exceeds
 * `size` (1 at least, the final 0 included) is left out.  Returns whether it is a string; `text` is
 * "" otherwise. */
bool json_string(struct json_value value, char *text, size_t size);

#endif
