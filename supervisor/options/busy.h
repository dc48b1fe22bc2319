/*
 * busy.h - what a refused client is told: the value of --busy-message.
 */
#ifndef SUPERVISOR_OPTIONS_BUSY_H
#define SUPERVISOR_OPTIONS_BUSY_H

#include <stddef.h>

/* What the send buffer of a new connection takes at once, whatever the system's settings
 * (tcp(7), tcp_wmem: 4 KiB at least). */
enum { BUSY_MAXIMUM = 4096 };

struct busy_message {
    char text[BUSY_MAXIMUM];
    size_t length;
};

/* The name of the file that a value refers to; NULL if the value is the text itself.  "@FILE" is a
 * file; but with a blank in it and no path, it is a text that happens to begin like that, as the
 * errors of rsync do.  So does one that begins with "\@". */
const char *busy_file(const char *word);

/* Puts a value into *message, with \n, \r, \\ and \@ for what they stand for; empty for a file.
 * Returns NULL, or what would have been accepted. */
const char *busy_parse(struct busy_message *message, const char *word);

#endif
