/*
 * busy.h - the message for refused clients: the value of --busy-message.
 */
#ifndef SUPERVISOR_OPTIONS_BUSY_H
#define SUPERVISOR_OPTIONS_BUSY_H

#include <stddef.h>

/* Bytes that the send buffer of a new connection takes at once, whatever the system's settings
 * (tcp(7), tcp_wmem: at least 4 KiB). */
#define BUSY_MAXIMUM 4096

struct busy_message {
    char text[BUSY_MAXIMUM];
    size_t length;
};

/* Returns the name of the file that a value refers to, or NULL if the value is the text itself.
 * "@FILE" refers to a file, except that a value with a blank, and neither "/" nor "." behind the
 * "@", is a text: errors of rsync begin with "@". */
const char *busy_file(const char *word);

/* Puts the text of a value into *message, with \n, \r, \\ and \@ replaced; for a file the message
 * is empty.  Returns NULL, or a sentence that says what is accepted. */
const char *busy_parse(struct busy_message *message, const char *word);

#endif
