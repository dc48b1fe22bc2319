/*
 * parse.h - words of the command line as values.  The whole word must be one: no sign, no space, no
 * trailing letters, nothing out of range, not empty.
 */
#ifndef SUPERVISOR_BASE_PARSE_H
#define SUPERVISOR_BASE_PARSE_H

#include <stdbool.h>
#include <stdint.h>

/* A whole number in decimal digits, up to `most`. */
bool parse_number(const char *word, uint64_t most, uint64_t *number);

/* A number of 0 or more, with or without a fraction, in decimal digits. */
bool parse_decimal(const char *word, double *number);

/* A decimal with ms, s, m or h behind it, or nothing for s; at most a year.  In microseconds. */
bool parse_time(const char *word, uint64_t *time);

/* Permissions, as an octal number from 0 to 777. */
bool parse_mode(const char *word, uint32_t *mode);

/* A port number from 0 to 65535, or the name of a TCP service (services(5)). */
bool parse_port(const char *word, uint16_t *port);

#endif
