/*
 * An operator's connections to a service, one after the other: each request gets one answer, whole
 * and of its kind, in whatever pieces it comes, and the service is what it should be still.
 *
 * The input is a request for each connection; bytes of 0xff part them.
 */
#include "supervisor/server/operator.h"
#include "supervisor/server/shutdown.h"

#include "tests/fuzz/shared/fuzz.h"
#include "tests/fuzz/shared/json.h"
#include "tests/fuzz/shared/options.h"
#include "tests/fuzz/shared/stage.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { CONNECTIONS = 12, PIECE = 7, ROUNDS = 400 };

static struct server *server;
static struct sockaddr_un address; /* any free name that is not in the file system (unix(7)) */
static socklen_t address_length;

struct talk {
    struct fuzz_input input;
    unsigned connections;
    unsigned rounds;
    int ours; /* -1: nobody is connected */
    bool said;
    bool in_pieces;
    char answer[CONTROL_ANSWER_MAXIMUM + QUESTION_HEAD_MAXIMUM];
    size_t length;
};

/* ---- the service's side ---- */

static void answer(void *context, const struct control_request *request,
                   struct control_answer *given)
{
    HOLDS(context == server && *request->words != '\0');
    operator_answer(context, request, given);
}

static void open_control(void)
{
    static const struct sockaddr_un any = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    HOLDS(listener >= 0 &&
          bind(listener, (const struct sockaddr *)&any, sizeof(any.sun_family)) == 0 &&
          listen(listener, 1) == 0);
    address_length = sizeof(address);
    HOLDS(getsockname(listener, (struct sockaddr *)&address, &address_length) == 0);
    HOLDS(control_open(&server->control, &server->loop, listener, false, geteuid(), answer,
                       server) == 0);
}

/* ---- the operator's ---- */

static void connect_operator(struct talk *talk)
{
    talk->ours = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    HOLDS(talk->ours >= 0 &&
          connect(talk->ours, (const struct sockaddr *)&address, address_length) == 0);
    talk->length = 0;
    talk->said = false;
    talk->in_pieces = talk->connections++ % 2 != 0;
}

/* Says the next piece, or all; and at its end shuts its side down. */
static void say(struct talk *talk)
{
    const uint8_t *end = memchr(talk->input.at, 0xff, talk->input.left);
    size_t left = end == NULL ? talk->input.left : (size_t)(end - talk->input.at);
    size_t length = talk->in_pieces && left > PIECE ? PIECE : left;

    if (length > 0) /* who is answered already need not be listening any more */
        (void)send(talk->ours, talk->input.at, length, MSG_NOSIGNAL);
    talk->input.at += length;
    talk->input.left -= length;
    talk->said = length == left;
    if (talk->said)
        (void)shutdown(talk->ours, SHUT_WR);
    if (talk->said && end != NULL)
        (void)fuzz_take_byte(&talk->input);
}

/* An answer of HTTP is as long as it says. */
static void check_http(const char *text, size_t length)
{
    const char *body = strstr(text, "\r\n\r\n");
    const char *said = strstr(text, "\r\nContent-Length: ");

    HOLDS(body != NULL && said != NULL && said < body);
    body += 4;
    HOLDS(body == text + length || strtoul(said + strlen("\r\nContent-Length: "), NULL, 10) ==
                                       (size_t)(text + length - body));
}

static void check_answer(struct talk *talk)
{
    struct json_value root;

    talk->answer[talk->length] = '\0';
    if (talk->length == 0)
        return; /* nothing was said */
    HOLDS(strlen(talk->answer) == talk->length);
    if (strncmp(talk->answer, "HTTP/1.1 ", 9) == 0)
        check_http(talk->answer, talk->length);
    else
        HOLDS(talk->answer[talk->length - 1] == '\n');
    if (talk->answer[0] == '{')
        HOLDS(json_open(&root, talk->answer, talk->length));
}

static void hear(struct talk *talk)
{
    ssize_t got = 1;

    while (got > 0) {
        HOLDS(talk->length < sizeof(talk->answer) - 1);
        got = recv(talk->ours, talk->answer + talk->length, sizeof(talk->answer) - 1 - talk->length,
                   0);
        talk->length += got > 0 ? (size_t)got : 0;
    }
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return;
    HOLDS(got == 0 || errno == ECONNRESET); /* not all that it said was wanted */
    check_answer(talk);
    (void)close(talk->ours);
    talk->ours = -1;
}

static bool step(void *context)
{
    struct talk *talk = context;

    options_check(server->options);
    if (talk->rounds++ == ROUNDS || server->lasting->shutdown.stage != SERVER_SERVING)
        return false;
    if (talk->ours < 0 && (talk->input.left == 0 || talk->connections == CONNECTIONS))
        return control_descriptors(&server->control) > 0;
    if (talk->ours < 0)
        connect_operator(talk);
    else if (!talk->said)
        say(talk);
    if (talk->ours >= 0)
        hear(talk);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const words[] = {"--processes", "4", "--drain-timeout", "0", NULL};
    static struct talk talk;

    talk = (struct talk){.input = {data, size}, .ours = -1};
    server = stage_open(words);
    open_control();
    stage_forgive(); /* connections that are open when the service ends are closed with it */
    stage_run(step, &talk);
    if (talk.ours >= 0)
        (void)close(talk.ours);
    stage_close();
    return 0;
}
