/*
 * http.h - as much of HTTP as it takes to be asked for a page by curl or Prometheus (RFC 9110, RFC
 * 9112): reads the head of a request, and writes that of an answer.  Pure: no I/O.
 *
 * Only GET and HEAD are served.  Targets are compared as they come, so nothing in %XX is decoded,
 * and what stands behind a question mark is left out.  A connection serves one request.
 */
#ifndef SUPERVISOR_CONTROL_HTTP_H
#define SUPERVISOR_CONTROL_HTTP_H

#include "dispatcher/shared/text.h"

#include <stdbool.h>
#include <stddef.h>

enum { HTTP_HEAD_MAXIMUM = 512 }; /* room that the head of an answer takes at most */

struct http_request {
    unsigned status;   /* 200; or of the error that answers it */
    const char *error; /* which one, in a few words; NULL: none */
    const char *path;  /* without an error: begins with '/' */
    bool only_head;    /* the answer is to have no body */
};

/* Whether a line, without its end, is meant as the first of a request of HTTP, right or wrong. */
bool http_is_request_line(const char *line, size_t length);

/* Whether these bytes, which have no end of line yet, begin like one that is served. */
bool http_is_beginning(const char *bytes, size_t length);

/* The length of the head that is there, the empty line at its end included; 0: not all of it. */
size_t http_head_length(const char *bytes, size_t length);

/* Reads a head of that length.  It is changed, and `path` points into it. */
void http_read(struct http_request *request, char *head, size_t length);

/* Adds the head of an answer with a body of `length` bytes, after which the connection ends. */
void http_write_head(struct text *text, unsigned status, const char *type, size_t length);

#endif
