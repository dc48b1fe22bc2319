/*
 * connection.h - one connection of an operator, from its first byte to its last: reads a question,
 * sends the answer, and discards what comes after it.
 *
 * Each call is one step without blocking, and leaves the state that says what comes next.  Whether
 * the client may ask, when it has to go, and what the answer is, control.c decides.
 */
#ifndef SUPERVISOR_CONTROL_CONNECTION_H
#define SUPERVISOR_CONTROL_CONNECTION_H

#include "dispatcher/shared/text.h"
#include "supervisor/control/question.h"

#include <stdbool.h>
#include <stddef.h>

enum { CONNECTION_ANSWER_MAXIMUM = 128 << 10 /* bytes of a body, with a 0 at the end */ };

enum connection_state {
    CONNECTION_READING,   /* connection_read() when it is readable */
    CONNECTION_ASKING,    /* connection_answer(): the question is complete */
    CONNECTION_SENDING,   /* connection_send() soon: the socket did not take all of the answer */
    CONNECTION_LINGERING, /* connection_read() when it is readable, to discard */
    CONNECTION_OVER       /* connection_close() */
};

struct connection {
    int descriptor; /* owned */
    enum connection_state state;
    bool only_http;  /* a line is an error */
    bool ended;      /* the client has shut down its side */
    size_t received; /* bytes of the question; once lingering, bytes discarded */
    struct question question;

    const char *rest; /* of the answer: what is not sent yet */
    size_t left;      /* bytes of it */
    int passed; /* a descriptor, owned, to send with the first byte; -1: none, or it is sent */

    char request[QUESTION_MAXIMUM + 1];
    /* The head ends where the body begins.  Uses only as many pages as answers are long. */
    char answer[QUESTION_HEAD_MAXIMUM + CONNECTION_ANSWER_MAXIMUM];
};

/* Begins with a connected socket, which it owns from now on. */
void connection_open(struct connection *connection, int descriptor, bool only_http);

void connection_read(struct connection *connection);

/* Opens an empty text for the body of the answer. */
void connection_prepare(struct connection *connection, struct text *body);

/* Begins to send an answer whose body is `length` bytes of that text.  `status` and `type`, the
 * media type, are for HTTP.  `passed` is a descriptor to send along, or -1; the connection owns it.
 * It requires a body, because it goes with the first byte (unix(7), SCM_RIGHTS). */
void connection_answer(struct connection *connection, size_t length, unsigned status,
                       const char *type, int passed);

void connection_send(struct connection *connection);

/* Closes the socket, and the descriptor that was not sent. */
void connection_close(struct connection *connection);

#endif
