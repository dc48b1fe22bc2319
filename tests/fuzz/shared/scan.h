/*
 * scan.h - goes through a JSON text (RFC 8259) from left to right, and stops where it is wrong.
 *
 * Each function begins where the cursor is and leaves it behind what it has taken.  One that
 * returns false for something malformed may leave it anywhere in that.
 */
#ifndef TESTS_FUZZ_SHARED_SCAN_H
#define TESTS_FUZZ_SHARED_SCAN_H

#include "tests/fuzz/shared/json.h"

#include <stdint.h>

struct scan {
    const char *at, *end;
};

/* Takes this byte if it is the next one. */
bool scan_take(struct scan *scan, char byte);

void scan_blanks(struct scan *scan);

/* One character of a string, behind the quotation mark that opens it. */
bool scan_character(struct scan *scan, uint32_t *character);

/* A value of any type, with at most JSON_DEPTH arrays and objects in one another. */
bool scan_value(struct scan *scan, enum json_type *type);

#endif
