#include "supervisor/dampenerctl/request.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECT_AGAIN = 50 /* milliseconds */ };

int64_t request_clock(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool request_path_fits(const char *path)
{
    return strlen(path) < sizeof(((struct sockaddr_un *)NULL)->sun_path);
}

/* Returns false, for the caller to return. */
__attribute__((format(printf, 2, 3))) static bool fail(struct request *request, const char *format,
                                                       ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(request->own_error, sizeof(request->own_error), format, arguments);
    va_end(arguments);
    return false;
}

/* ---- its steps; each returns whether the next one may follow ---- */

static bool is_passing(int error)
{
    return error == EAGAIN || error == EINTR;
}

static bool wait_for(struct request *request, int descriptor, short events, int most)
{
    const int64_t left = request->deadline - request_clock();
    struct pollfd wanted = {.fd = descriptor, .events = events};

    if (left <= 0)
        return fail(request, "%s: no answer within %d s; the daemon is stopped or very busy",
                    request->address.sun_path, REQUEST_PATIENCE / 1000);
    if (request->wait != NULL)
        return request->wait(request->context, wanted, left < most ? (int)left : most);
    (void)poll(&wanted, 1, left < most ? (int)left : most); /* an interruption only means a look */
    return true;
}

static bool fail_to_connect(struct request *request)
{
    const char *advice = "";

    if (errno == ENOENT)
        advice = "; was the daemon started with --control and this path?";
    else if (errno == EACCES || errno == EPERM)
        advice = "; root, the user that started the daemon and its --supervisor-user may use it";
    else if (errno == ECONNREFUSED)
        advice = "; the daemon is not running any more";
    return fail(request, "cannot connect to %s: %m%s", request->address.sun_path, advice);
}

static bool make_connection(struct request *request)
{
    while (connect(request->descriptor, (const struct sockaddr *)&request->address,
                   sizeof(request->address)) != 0) {
        if (!is_passing(errno))
            return fail_to_connect(request);
        if (!wait_for(request, -1, 0, CONNECT_AGAIN))
            return false;
    }
    return true;
}

static bool send_line(struct request *request, const char *line)
{
    while (*line != '\0') {
        ssize_t sent = send(request->descriptor, line, strlen(line), MSG_NOSIGNAL);

        if (sent >= 0)
            line += sent;
        else if (errno == EPIPE || errno == ECONNRESET)
            return true; /* a daemon that closes without reading may have sent a reason first */
        else if (!is_passing(errno))
            return fail(request, "cannot send to %s: %m", request->address.sun_path);
        else if (!wait_for(request, request->descriptor, POLLOUT, REQUEST_PATIENCE))
            return false;
    }
    return true;
}

static bool receive_answer(struct request *request)
{
    while (request->answer_length <= REQUEST_ANSWER_MAXIMUM) {
        ssize_t received = recv(request->descriptor, request->answer + request->answer_length,
                                REQUEST_ANSWER_MAXIMUM + 1 - request->answer_length, 0);

        if (received > 0)
            request->answer_length += (size_t)received;
        else if (received < 0 && is_passing(errno)) {
            if (!wait_for(request, request->descriptor, POLLIN, REQUEST_PATIENCE))
                return false;
        } else if (received == 0 || request->answer_length > 0 || errno == ECONNRESET)
            return true;
        else
            return fail(request, "cannot read the answer from %s: %m", request->address.sun_path);
    }
    return fail(request, "%s: the answer is longer than %d bytes; it is ignored",
                request->address.sun_path, (int)REQUEST_ANSWER_MAXIMUM);
}

static bool try(struct request *request, const char *line)
{
    bool done;

    request->descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (request->descriptor < 0)
        return fail(request, "cannot make a socket: %m");
    done = make_connection(request) && send_line(request, line) && receive_answer(request);
    (void)close(request->descriptor); /* nothing is kept in it */
    return done;
}

/* ---- for the caller ---- */

bool request_ask(struct request *request, const char *path, const char *words)
{
    static const char refused[] = "error: ";
    static const char unknown[] = "unknown command";
    char line[REQUEST_LINE_MAXIMUM + 1];

    /* The caller has checked that both fit. */
    request->address.sun_family = AF_UNIX;
    (void)snprintf(request->address.sun_path, sizeof(request->address.sun_path), "%s", path);
    (void)snprintf(line, sizeof(line), "%s\n", words);
    request->deadline = request_clock() + REQUEST_PATIENCE;
    request->answer_length = 0;
    request->error = request->own_error;
    request->answer = malloc(REQUEST_ANSWER_MAXIMUM + 2); /* the kernel gives what is used of it */
    if (request->answer == NULL)
        return fail(request, "out of memory for the daemon's answer");
    /* During a takeover the old daemon closes unread requests, and the new one answers. */
    for (int attempt = 0; attempt < 2 && request->answer_length == 0; attempt++)
        if (!try(request, line))
            return false;
    if (request->answer_length == 0)
        return fail(request,
                    "%s: the daemon closed the connection without an answer, twice; it is about to "
                    "exit, or too many clients use the socket",
                    request->address.sun_path);
    request->answer[request->answer_length] = '\0';
    if (strncmp(request->answer, refused, strlen(refused)) != 0)
        return true;
    request->error = request->answer + strlen(refused);
    request->unknown = strncmp(request->error, unknown, strlen(unknown)) == 0;
    return false;
}
