/*
 * control.h - the operator's sockets: each connection brings one request, and gets one answer.
 *
 * A request is a line, or an HTTP request for a path (question.h); the answer is of the same kind.
 * The owner gives the meaning: a callback answers each request.
 *
 * A client can be slow, silent or hostile, so its means are limited:
 * - Each client has CONTROL_LIFE for everything, and at most CONTROL_CLIENTS are served at once.
 * - One more client ends the oldest stranger (a client that may not ask).  If there is none, it
 *   ends the oldest client; but a stranger never ends another client.
 * - A round of the loop accepts one client and answers one.  So a client that sends its request at
 *   once gets its answer before it can become the oldest, and one answer at most delays the
 * service.
 * - The metrics port, where everybody may ask, accepts a client every 2 ms, so that all of them
 *   together take little time.
 *
 * No call blocks, and none but control_open() allocates memory.  The system calls after
 * control_open() are in the list of filter.c.
 */
#ifndef SUPERVISOR_CONTROL_CONTROL_H
#define SUPERVISOR_CONTROL_CONTROL_H

#include "dispatcher/shared/text.h"
#include "supervisor/base/backoff.h"
#include "supervisor/base/loop.h"
#include "supervisor/control/connection.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    CONTROL_CLIENTS = 16,
    CONTROL_DESCRIPTORS = 2 * CONTROL_CLIENTS, /* each may have one that is not sent yet */
    CONTROL_LIFE = 5 * LOOP_SECOND,
    CONTROL_REQUEST_MAXIMUM = QUESTION_MAXIMUM,
    CONTROL_ANSWER_MAXIMUM = CONNECTION_ANSWER_MAXIMUM /* a longer answer becomes an error */
};

struct control_request {
    const char *words; /* the line without its end and without blanks around it, never empty; or
                        * the path of a GET or HEAD, which begins with '/', without its query */
    bool http;
    uid_t user; /* of the client; (uid_t)-1 on the metrics port */
};

struct control_answer {
    struct text text; /* empty, with room for CONTROL_ANSWER_MAXIMUM: the owner fills it in */
    unsigned status;  /* of HTTP; preset 200 */
    const char *type; /* media type of HTTP; must stay; preset "text/plain; charset=utf-8" */
    /* Sent with the first byte of the text, which must not be empty, by SCM_RIGHTS (unix(7)); then
     * closed.  Preset -1.  Closed unsent if the client is gone, or on the metrics port. */
    int descriptor;
};

/* A timer of the loop calls this after the events of a round.  It must not call control_close().
 * `request` ends with the call. */
typedef void control_answerer(void *context, const struct control_request *request,
                              struct control_answer *answer);

struct control_client;

struct control {
    struct loop *loop;
    struct loop_source source; /* the listener */
    bool read_only;            /* the metrics port, where everybody may ask */
    uid_t user;                /* may ask, besides root */
    control_answerer *answer;
    void *context;
    struct control_client *memory; /* of all clients, with all that they ever need */
    struct control_client *clients[CONTROL_CLIENTS]; /* first those connected, by age */
    unsigned count;                                  /* of connected clients */
    struct loop_timer timer;                         /* for the first client that is due */
    struct loop_timer resume; /* to accept again, after a pause or a failure */
    struct backoff accepting; /* after failures to accept, which were logged */
    bool was_cut;             /* an answer was too long, which was logged */
    uint64_t refused;         /* strangers, so far */
};

/* Begins to serve a listening, non-blocking socket, which it owns from now on: a Unix socket, where
 * only root and `user` may ask; or, `read_only`, a TCP socket.  Returns 0, or -1 with errno: then
 * the socket stays open, for the next supervisor.  `control`, `loop` and `context` must stay. */
int control_open(struct control *control, struct loop *loop, int listener, bool read_only,
                 uid_t user, control_answerer *answer, void *context);

/* Returns the number of open descriptors of clients, at most CONTROL_DESCRIPTORS; the listener is
 * not among them. */
uint32_t control_descriptors(const struct control *control);

/* Ends all connections and closes the listener.  Does nothing if it was never open (all zero) or is
 * closed.  `control` must stay as long as the loop. */
void control_close(struct control *control);

#endif
