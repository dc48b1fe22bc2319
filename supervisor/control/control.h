/*
 * control.h - the operator's connections: one request, one answer, and the connection is over.
 *
 * A request is a line, as of HAProxy's runtime API, or an HTTP request for a path (http.h); the
 * answer is of the same kind.  What requests mean is the owner's: a callback answers them.
 *
 * A client can be slow, silent or hostile: it has CONTROL_LIFE for all it does, and at most
 * CONTROL_CLIENTS are there at once, of whom one more ends the oldest: of those who may not speak,
 * or else, if it may itself, of all.  In a round of the loop at most one is accepted and one
 * answered, so whoever sends its request at once is answered before it could become the oldest, and
 * the service is never held up for longer than an answer takes.  At the metrics port, where anybody
 * may ask, there is a pause of 2 ms between two that are accepted, so that all of them together
 * take little of the time.  Nothing here waits, nor allocates once it is open.  All calls made
 * after control_open() are among those of filter.c.
 */
#ifndef SUPERVISOR_CONTROL_CONTROL_H
#define SUPERVISOR_CONTROL_CONTROL_H

#include "dispatcher/shared/text.h"
#include "supervisor/base/backoff.h"
#include "supervisor/base/list.h"
#include "supervisor/base/loop.h"
#include "supervisor/control/control_question.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    CONTROL_CLIENTS = 16,
    CONTROL_DESCRIPTORS = 2 * CONTROL_CLIENTS, /* as each may have one still to be sent */
    CONTROL_LIFE = 5 * LOOP_SECOND,
    CONTROL_REQUEST_MAXIMUM = CONTROL_QUESTION_MAXIMUM,
    CONTROL_ANSWER_MAXIMUM = 128 << 10 /* bytes, a 0 at the end included; longer ones are errors */
};

struct control_request {
    const char *words; /* the line without its end and without blanks around it, never empty; or
                        * the path of a GET or HEAD, which begins with '/', without its query */
    bool http;
    bool read_only; /* it came over the metrics port, from anybody */
    uid_t user;     /* of the peer; (uid_t)-1 if read_only */
};

struct control_answer {
    struct text text; /* to be filled in: empty, with room for CONTROL_ANSWER_MAXIMUM */
    unsigned status;  /* of HTTP; preset 200 */
    const char *type; /* of HTTP, to stay; preset "text/plain; charset=utf-8" */
    /* Sent along with the first byte, of which there must be one, by SCM_RIGHTS (unix(7)), and
     * closed; preset -1.  Closed unsent if the client is gone, or the request is read_only. */
    int descriptor;
};

/* Called by a timer of the loop: after the events of a round, and before what comes after it.  Is
 * not to call control_close().  `request` is gone when it returns. */
typedef void control_answerer(void *context, const struct control_request *request,
                              struct control_answer *answer);

struct control_client;

struct control {
    struct loop *loop;
    struct loop_source source; /* the listener */
    bool read_only;
    uid_t user; /* who may speak, besides root */
    control_answerer *answer;
    void *context;
    struct control_client *clients; /* CONTROL_CLIENTS, with all the memory they ever need */
    struct list living;             /* by age */
    struct list unused;
    struct loop_timer ageing; /* when the oldest has to go */
    struct loop_timer next;   /* when to answer the next request */
    struct loop_timer retry;  /* when to send more of what was not taken at once */
    struct loop_timer resume; /* when to accept again after that has failed */
    struct backoff accepting; /* accept failed, which was logged */
    bool was_cut;             /* an answer was too long, which was logged */
    uint64_t refused;         /* peers who may not speak, so far */
};

/* Begins to serve a listening, non-blocking socket, which it owns from now on, also on failure: a
 * Unix socket; or, `read_only`, one of TCP.  Over the Unix socket only root may speak, and `user`.
 * Returns 0, or -1 with errno.  `control`, `loop` and `context` must stay. */
int control_open(struct control *control, struct loop *loop, int listener, bool read_only,
                 uid_t user, control_answerer *answer, void *context);

/* Descriptors that are open for its clients: of the listener's nothing is counted.  At most
 * CONTROL_DESCRIPTORS. */
uint32_t control_descriptors(const struct control *control);

/* Ends all connections, and closes the listener, too.  Does nothing if it was never open (all
 * zero), or is closed; `control` must stay as long as the loop. */
void control_close(struct control *control);

#endif
