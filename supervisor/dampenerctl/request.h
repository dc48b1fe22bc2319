/*
 * request.h - sends one command to the daemon's control socket, and waits for the answer.
 *
 * Each request has a connection of its own.  One line of words goes out; the bytes that come back
 * until the daemon closes are the answer, at most REQUEST_ANSWER_MAXIMUM.  A request fails after
 * REQUEST_PATIENCE milliseconds.  The socket never blocks: the caller decides how to wait, and may
 * do other work meanwhile.
 *
 * If the daemon closes the connection without an answer, the request is sent once more: during a
 * takeover the old daemon leaves unread requests to the new one.  Each command has the same effect
 * if it is sent twice.
 *
 * A Unix socket with a full backlog gives nothing to poll: connect(2) returns EAGAIN and must be
 * tried again (unix_stream_connect() in the kernel's net/unix/af_unix.c).
 */
#ifndef DAMPENERCTL_REQUEST_H
#define DAMPENERCTL_REQUEST_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

enum {
    REQUEST_LINE_MAXIMUM = 1024, /* with its newline */
    REQUEST_ANSWER_MAXIMUM = 1 << 20,
    REQUEST_PATIENCE = 10000
};

struct request {
    /* Waits for the descriptor, at most `timeout` milliseconds; may return early.  Returns false to
     * give the request up.  NULL: poll(2) waits. */
    bool (*wait)(void *context, struct pollfd wanted, int timeout);
    void *context;

    struct sockaddr_un address;
    int descriptor;
    int64_t deadline; /* request_clock() */
    char *answer;     /* ends with a 0; the caller frees it, also after a failure */
    size_t answer_length;

    const char *error; /* why there is no answer, or the daemon's own words */
    bool unknown;      /* the daemon does not know the command */
    char own_error[320];
};

/* Returns the time in milliseconds, of a clock that never jumps. */
int64_t request_clock(void);

/* Returns whether a path is short enough for a Unix socket. */
bool request_path_fits(const char *path);

/* Sends a command and waits for the end.  The caller has set `wait` and `context`; path and words
 * must fit.  Returns whether the daemon did what it was told; otherwise `error` says why not,
 * unless `wait` gave the request up. */
bool request_ask(struct request *request, const char *path, const char *words);

#endif
