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

static const char refusal_mark[] = "error: ";

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

static void close_socket(struct request *request)
{
    if (request->descriptor >= 0)
        (void)close(request->descriptor); /* nothing is kept in it */
    request->descriptor = -1;
}

__attribute__((format(printf, 2, 3))) static void fail(struct request *request, const char *format,
                                                       ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(request->error, sizeof(request->error), format, arguments);
    va_end(arguments);
    close_socket(request);
    request->state = REQUEST_FAILED;
}

/* ---- its steps ---- */

static void fail_to_connect(struct request *request)
{
    const char *advice = "";

    if (errno == ENOENT)
        advice = "; was the daemon started with --control and this path?";
    else if (errno == EACCES || errno == EPERM)
        advice = "; only root may use it, and the user who started the daemon or whom "
                 "--supervisor-user names";
    else if (errno == ECONNREFUSED)
        advice = "; the daemon is not running any more";
    fail(request, "cannot connect to %s: %m%s", request->address.sun_path, advice);
}

/* Each step returns whether the next one can follow at once. */
static bool go_on_connecting(struct request *request)
{
    if (connect(request->descriptor, (const struct sockaddr *)&request->address,
                sizeof(request->address)) == 0) {
        request->state = REQUEST_SENDING;
        return true;
    }
    if (errno != EAGAIN && errno != EINTR)
        fail_to_connect(request);
    return false;
}

static bool go_on_sending(struct request *request)
{
    ssize_t sent = send(request->descriptor, request->line + request->sent,
                        request->line_length - request->sent, MSG_NOSIGNAL);

    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (sent < 0 && errno != EPIPE && errno != ECONNRESET) {
        fail(request, "cannot send to %s: %m", request->address.sun_path);
        return false;
    }
    if (sent > 0)
        request->sent += (size_t)sent;
    /* A daemon that closes without reading may have sent a reason first. */
    if (sent < 0 || request->sent == request->line_length)
        request->state = REQUEST_RECEIVING;
    return true;
}

static bool make_room(struct request *request)
{
    size_t size = request->answer_size == 0 ? 4096 : request->answer_size * 2;
    char *answer;

    if (request->answer_length + 1 < request->answer_size)
        return true;
    answer = realloc(request->answer, size);
    if (answer == NULL)
        return false;
    request->answer = answer;
    request->answer_size = size;
    return true;
}

static void open_socket(struct request *request)
{
    request->state = REQUEST_CONNECTING;
    request->sent = 0;
    request->descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (request->descriptor < 0)
        fail(request, "cannot make a socket: %m");
}

/* During a takeover the old daemon closes unread requests, and the new one answers. */
static void finish_without_answer(struct request *request)
{
    if (request->repeated) {
        fail(request,
             "%s: the daemon closed the connection without an answer, twice; it is about to exit, "
             "or too many clients use the socket",
             request->address.sun_path);
        return;
    }
    request->repeated = true;
    close_socket(request);
    open_socket(request);
}

static void finish(struct request *request)
{
    if (request->answer_length == 0) {
        finish_without_answer(request);
        return;
    }
    request->answer[request->answer_length] = '\0';
    close_socket(request);
    request->state = REQUEST_ANSWERED;
}

static bool go_on_receiving(struct request *request)
{
    ssize_t received;

    if (!make_room(request)) {
        fail(request, "out of memory for the daemon's answer");
        return false;
    }
    received = recv(request->descriptor, request->answer + request->answer_length,
                    request->answer_size - request->answer_length - 1, 0);
    if (received < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (received < 0 && request->answer_length == 0 && errno != ECONNRESET)
        fail(request, "cannot read the answer from %s: %m", request->address.sun_path);
    else if (received <= 0)
        finish(request);
    else
        request->answer_length += (size_t)received;
    if (request->answer_length > REQUEST_ANSWER_MAXIMUM)
        fail(request, "%s: the answer is longer than %d bytes; it is ignored",
             request->address.sun_path, (int)REQUEST_ANSWER_MAXIMUM);
    return received > 0 && request->state == REQUEST_RECEIVING;
}

void request_go_on(struct request *request)
{
    bool more = true;

    while (more) {
        if (request->state == REQUEST_CONNECTING)
            more = go_on_connecting(request);
        else if (request->state == REQUEST_SENDING)
            more = go_on_sending(request);
        else if (request->state == REQUEST_RECEIVING)
            more = go_on_receiving(request);
        else
            more = false;
        if (request_is_open(request) && request_clock() >= request->deadline)
            fail(request, "%s: no answer within %d s; the daemon is stopped or very busy",
                 request->address.sun_path, REQUEST_PATIENCE / 1000);
    }
}

/* ---- for the caller ---- */

void request_begin(struct request *request, const char *path, const char *words)
{
    int length;

    *request = (struct request){.address = {.sun_family = AF_UNIX},
                                .deadline = request_clock() + REQUEST_PATIENCE};
    /* The caller has checked that both fit. */
    (void)snprintf(request->address.sun_path, sizeof(request->address.sun_path), "%s", path);
    length = snprintf(request->line, sizeof(request->line), "%s\n", words);
    request->line_length = length < 0 ? 0 : (size_t)length;
    open_socket(request);
    request_go_on(request);
}

bool request_is_open(const struct request *request)
{
    return request->state == REQUEST_CONNECTING || request->state == REQUEST_SENDING ||
           request->state == REQUEST_RECEIVING;
}

struct pollfd request_poll(const struct request *request)
{
    /* poll(2) would report an unconnected socket over and over. */
    return (struct pollfd){.fd = request->state == REQUEST_SENDING ||
                                         request->state == REQUEST_RECEIVING
                                     ? request->descriptor
                                     : -1,
                           .events = request->state == REQUEST_SENDING ? POLLOUT : POLLIN};
}

int request_timeout(const struct request *request)
{
    int64_t left = request->deadline - request_clock();

    if (!request_is_open(request))
        return -1;
    if (request->state == REQUEST_CONNECTING && left > CONNECT_AGAIN)
        left = CONNECT_AGAIN;
    return left < 0 ? 0 : (int)left;
}

void request_end(struct request *request)
{
    close_socket(request);
    free(request->answer);
    *request = (struct request){.state = REQUEST_NONE, .descriptor = -1};
}

bool request_ask(struct request *request, const char *path, const char *words)
{
    request_begin(request, path, words);
    while (request_is_open(request)) {
        struct pollfd wanted = request_poll(request);

        (void)poll(&wanted, 1, request_timeout(request)); /* an interruption only means a look */
        request_go_on(request);
    }
    return request->state == REQUEST_ANSWERED;
}

const char *request_refusal(const struct request *request)
{
    size_t length = sizeof(refusal_mark) - 1;

    return request->answer_length >= length && memcmp(request->answer, refusal_mark, length) == 0
               ? request->answer + length
               : NULL;
}

bool request_is_unknown(const char *refusal)
{
    static const char beginning[] = "unknown command";

    return strncmp(refusal, beginning, sizeof(beginning) - 1) == 0;
}
