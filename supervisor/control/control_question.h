/*
 * control_question.h - from the bytes that an operator's connection has sent to what they ask for,
 * or to the error that answers them.  Pure: no I/O.
 */
#ifndef SUPERVISOR_CONTROL_CONTROL_QUESTION_H
#define SUPERVISOR_CONTROL_CONTROL_QUESTION_H

#include <stdbool.h>
#include <stddef.h>

enum { CONTROL_QUESTION_MAXIMUM = 4096 }; /* bytes, the end of the line or of the head included */

struct control_question {
    const char *words; /* as of struct control_request; NULL with an error */
    const char *error; /* in a few words; NULL: none */
    unsigned status;   /* the same, of HTTP; 200: none */
    bool http;
    bool only_head; /* of the answer no body is to be sent */
};

/* Reads the `length` bytes that have come so far, for which there is room for one more; `ended`: no
 * more will come.  With `only_http` a line that is none of HTTP is an error.  Returns whether the
 * question is complete; then the bytes are changed, and `words` may point into them. */
bool control_question_read(struct control_question *question, char *bytes, size_t length,
                           bool ended, bool only_http);

#endif
