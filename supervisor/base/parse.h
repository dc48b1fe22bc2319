/*
 * parse.h - words as values.
 *
 * Each function returns whether the whole word is such a value: without a sign, a blank or trailing
 * letters, within the range, and not empty.
 */
#ifndef SUPERVISOR_BASE_PARSE_H
#define SUPERVISOR_BASE_PARSE_H

#include <stdbool.h>
#include <stdint.h>

enum { PARSE_HOST_MAXIMUM = 254 /* bytes of a host name, with a dot at its end (RFC 1035) */ };

/* A constant that is #defined as a number, as a literal for a message. */
#define PARSE_SPELLED(number) PARSE_LITERAL(number)
#define PARSE_LITERAL(number) #number

/* Reads a whole number in decimal digits, up to `most`. */
bool parse_number(const char *word, uint64_t most, uint64_t *number);

/* Reads a number of 0 or more in decimal digits, with or without a fraction. */
bool parse_decimal(const char *word, double *number);

/* Reads a time of at most a year, in microseconds: a decimal with ms, s, m or h behind it; without
 * a unit it means seconds. */
bool parse_time(const char *word, uint64_t *time);

/* Reads permissions: an octal number from 0 to 777. */
bool parse_mode(const char *word, uint32_t *mode);

/* Reads a port: a number from 0 to 65535, or the name of a TCP service (services(5)). */
bool parse_port(const char *word, uint16_t *port);

/* Reports whether the word can be the name of a host: labels of letters, digits and hyphens with
 * dots between, and with or without a dot at the end.  The last label has a letter and is no
 * hexadecimal number, so that no address is a name, not even a mistyped one. */
bool parse_is_host_name(const char *word);

#endif
