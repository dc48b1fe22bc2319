/*
 * request.h - asks the daemon one thing over its control socket, without ever blocking.
 *
 * One connection a request: a line of words goes out, and all that comes back until the daemon
 * closes is the answer, of ANSWER_MAXIMUM bytes at most.  A request is over after REQUEST_PATIENCE
 * milliseconds, whatever it waits for.  The caller polls; request_ask() does it all at once.
 *
 * If the connection is closed without an answer, it is asked once more: when one daemon takes
 * another's place, whoever the old one has not heard yet is left to the new one.  No command of the
 * daemon's does more if it is said twice.
 *
 * A Unix socket whose backlog is full has no descriptor to poll: connect(2) gives EAGAIN, and is to
 * be tried again (unix_stream_connect() in the kernel's net/unix/af_unix.c).
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
    REQUEST_NONE, /* nothing has been asked, or it has been ended */
    REQUEST_CONNECTING,
    REQUEST_SENDING,
    REQUEST_RECEIVING,
    REQUEST_ANSWERED, /* all of the answer is here */
    REQUEST_FAILED    /* `error` says why, in a sentence */
};

struct request {
    enum request_state state;
    struct sockaddr_un address;
    int descriptor; /* -1: none */
    char line[REQUEST_LINE_MAXIMUM + 1];
    size_t line_length, sent;
    bool repeated;    /* it is being asked for the second time */
    int64_t deadline; /* request_clock() */
    char *answer;     /* with a 0 behind it; freed by request_end() */
    size_t answer_length, answer_size;
    char error[320];
};

/* In milliseconds, from some time on. */
int64_t request_clock(void);

/* Whether a path is short enough for a Unix socket's. */
bool request_path_fits(const char *path);

/* Asks; the words must fit.  Whatever goes wrong is told by the state. */
void request_begin(struct request *request, const char *path, const char *words);

/* Whether it needs request_go_on(). */
bool request_is_open(const struct request *request);

/* What to poll for, and for how many milliseconds at most, before request_go_on(). */
struct pollfd request_poll(const struct request *request);
int request_timeout(const struct request *request);

/* Goes on as far as it goes without waiting. */
void request_go_on(struct request *request);

/* Closes and frees; what is left can begin again. */
void request_end(struct request *request);

/* All at once.  Returns whether there is an answer. */
bool request_ask(struct request *request, const char *path, const char *words);

/* If the answer is an error, what it says, else NULL. */
const char *request_refusal(const struct request *request);

#endif
