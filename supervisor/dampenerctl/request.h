/*
 * request.h - sends one command to the daemon's control socket, without blocking.
 *
 * Each request has a connection of its own.  One line of words goes out; the bytes that come back
 * until the daemon closes are the answer, at most REQUEST_ANSWER_MAXIMUM.  A request ends after
 * REQUEST_PATIENCE milliseconds.  The caller polls, or request_ask() does everything at once.
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

enum request_state {
    REQUEST_NONE, /* not begun, or ended */
    REQUEST_CONNECTING,
    REQUEST_SENDING,
    REQUEST_RECEIVING,
    REQUEST_ANSWERED, /* the answer is complete */
    REQUEST_FAILED    /* `error` says why */
};

struct request {
    enum request_state state;
    struct sockaddr_un address;
    int descriptor; /* -1: none */
    char line[REQUEST_LINE_MAXIMUM + 1];
    size_t line_length, sent;
    bool repeated;    /* the request is being sent for the second time */
    int64_t deadline; /* request_clock() */
    char *answer;     /* ends with a 0; freed by request_end(), unless the caller takes it */
    size_t answer_length, answer_size;
    char error[320];
};

/* Returns the time in milliseconds, of a clock that never jumps. */
int64_t request_clock(void);

/* Returns whether a path is short enough for a Unix socket. */
bool request_path_fits(const char *path);

/* Begins a request; the words must fit.  The state tells of a failure. */
void request_begin(struct request *request, const char *path, const char *words);

/* Returns whether the request needs request_go_on(). */
bool request_is_open(const struct request *request);

/* What to poll for, and for how many milliseconds, before request_go_on(). */
struct pollfd request_poll(const struct request *request);
int request_timeout(const struct request *request);

/* Goes on as far as possible without waiting. */
void request_go_on(struct request *request);

/* Closes and frees everything; request_begin() may follow. */
void request_end(struct request *request);

/* Sends a request and waits for the end.  Returns whether there is an answer. */
bool request_ask(struct request *request, const char *path, const char *words);

/* Returns the message of an answer that is an error, else NULL. */
const char *request_refusal(const struct request *request);

/* Returns whether the message says that the daemon does not know the command. */
bool request_is_unknown(const char *refusal);

#endif
