/*
 * question.h - from the bytes of an operator's connection to a question, or to the error that
 * answers them; and the head of an HTTP answer.  Pure: no I/O.
 *
 * A question is a line, as in the runtime API of HAProxy; or an HTTP request for a path, as from
 * curl or Prometheus (RFC 9110, RFC 9112).  Only GET and HEAD are served, one request for each
 * connection.  A path is not decoded (%XX), and its query is cut off.
 */
#ifndef SUPERVISOR_CONTROL_QUESTION_H
#define SUPERVISOR_CONTROL_QUESTION_H

#include "dispatcher/shared/text.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    QUESTION_MAXIMUM = 4096,     /* bytes, with the end of the line or of the head */
    QUESTION_HEAD_MAXIMUM = 512, /* room for the head of an answer */
};

struct question {
    const char
        *words; /* the line, without blanks around it; or the path; NULL: there is an error */
    const char *error; /* in a few words; NULL: none */
    unsigned status;   /* of HTTP, for the error; 200: none */
    bool http;
    bool only_head; /* HEAD: the answer must have no body */
};

/* Reads the `length` bytes that came so far; `ended`: no more will come.  `bytes` must have room
 * for one more.  With `only_http` a line is an error.  Returns whether the question is complete;
 * then the bytes are changed, and `words` points into them or to a constant. */
bool question_read(struct question *question, char *bytes, size_t length, bool ended,
                   bool only_http);

/* Adds the head of an answer with a body of `length` bytes, which ends the connection. */
void question_write_head(struct text *text, unsigned status, const char *type, size_t length);

#endif
