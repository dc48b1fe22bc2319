#include "supervisor/control/control.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PLAIN "text/plain; charset=utf-8"

enum {
    SEND_BUFFER = 512 << 10,            /* bytes, so that TCP takes the longest answer at once */
    SEND_AGAIN = 20 * LOOP_MILLISECOND, /* the loop does not report room in a socket */
    ACCEPT_NEXT = 2 * LOOP_MILLISECOND
};

struct control_client {
    struct control *control;
    struct loop_source source;
    uint64_t until; /* the end of its life */
    uint64_t due;   /* when to act without an event: to end it, to answer it, or to send again */
    uid_t user;
    bool stranger; /* may not ask */
    struct connection connection;
};

/* ---- one client ---- */

/* Sets the timer for the first client that is due. */
static void set_timer(struct control *control)
{
    control->timer.deadline = 0; /* without clients there is nothing to wake up for */
    for (unsigned i = 0; i < control->count; i++)
        if (i == 0 || control->clients[i]->due < control->timer.deadline)
            control->timer.deadline = control->clients[i]->due;
}

static void end(struct control_client *client)
{
    struct control *control = client->control;
    unsigned place = 0;

    loop_ignore(control->loop, &client->source);
    connection_close(&client->connection);
    while (control->clients[place] != client)
        place++;
    control->count--;
    for (; place < control->count; place++)
        control->clients[place] = control->clients[place + 1];
    control->clients[place] = client; /* the next to be used: its memory is there already */
    set_timer(control);
}

/* Arranges what the state of its connection requires next. */
static void proceed(struct control_client *client)
{
    struct control *control = client->control;

    client->due = client->until;
    switch (client->connection.state) {
    case CONNECTION_READING:
    case CONNECTION_LINGERING:
        if (loop_watch(control->loop, &client->source) != 0)
            end(client);
        break;
    case CONNECTION_ASKING:
        loop_ignore(control->loop, &client->source);
        client->due = control->loop->now;
        break;
    case CONNECTION_SENDING:
        client->due = control->loop->now + SEND_AGAIN;
        break;
    case CONNECTION_OVER:
        end(client);
        break;
    }
    set_timer(control);
}

static void on_readable(void *context)
{
    struct control_client *client = context;

    connection_read(&client->connection);
    proceed(client);
}

/* ---- answers ---- */

/* Answers a client that may not ask, or whose question is not valid. */
static void refuse(const struct control_client *client, struct control_answer *answer)
{
    const struct question *question = &client->connection.question;

    answer->status = client->stranger ? 403 : question->status;
    if (client->stranger)
        text_add(&answer->text, "error: only root and user %u may use this socket\n",
                 (unsigned)client->control->user);
    else
        text_add(&answer->text, "error: %s\n", question->error);
}

static void ask_owner(struct control_client *client, struct control_answer *answer)
{
    struct control *control = client->control;
    const struct question *question = &client->connection.question;
    const struct control_request request = {
        .words = question->words, .http = question->http, .user = client->user};

    control->answer(control->context, &request, answer);
    if (answer->descriptor != -1 && (answer->text.cut || control->read_only)) {
        (void)close(answer->descriptor); /* nothing was written to it */
        answer->descriptor = -1;
    }
    if (!answer->text.cut)
        return;
    if (!control->was_cut)
        log_warning("the answer to \"%.100s\" is longer than %d bytes: the operator gets an error "
                    "instead; further ones are not logged",
                    request.words, CONTROL_ANSWER_MAXIMUM - 1);
    control->was_cut = true;
    connection_prepare(&client->connection, &answer->text);
    text_add(&answer->text, "error: the answer is too long\n");
    answer->status = 500;
    answer->type = PLAIN;
}

static void answer_client(struct control_client *client)
{
    struct connection *connection = &client->connection;
    struct control_answer answer = {.status = 200, .type = PLAIN, .descriptor = -1};

    connection_prepare(connection, &answer.text);
    if (client->stranger || connection->question.error != NULL)
        refuse(client, &answer);
    else
        ask_owner(client, &answer);
    connection_answer(connection, answer.text.length, answer.status, answer.type,
                      answer.descriptor);
}

/* Acts on the clients that are due, but answers only the oldest request.  The next one waits for
 * another round, which serves others first. */
static void on_due(void *context)
{
    struct control *control = context;
    uint64_t now = control->loop->now;
    bool answered = false;

    for (unsigned i = 0; i < control->count;) {
        struct control_client *client = control->clients[i];
        bool asking = client->connection.state == CONNECTION_ASKING;

        if (client->until <= now) {
            end(client);
        } else if (client->due <= now && !(asking && answered)) {
            if (asking)
                answer_client(client);
            else
                connection_send(&client->connection);
            proceed(client);
            answered = answered || asking;
        }
        i += i < control->count && control->clients[i] == client; /* it has not ended */
    }
    set_timer(control);
}

/* ---- the listener ---- */

/* Ends a client for another one.  The oldest stranger is first, and a stranger replaces only
 * strangers: no number of them keeps the operator out. */
static void make_room(struct control *control, bool for_stranger)
{
    unsigned place = 0;

    while (place < control->count && !control->clients[place]->stranger)
        place++;
    if (place < control->count)
        end(control->clients[place]);
    else if (!for_stranger)
        end(control->clients[0]);
}

static void enter(struct control *control, int descriptor)
{
    struct control_client *client;
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t length = sizeof(peer);
    bool stranger;

    /* It cannot fail for a connected Unix socket (unix(7)). */
    if (!control->read_only)
        (void)getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length);
    stranger = !control->read_only && peer.uid != 0 && peer.uid != control->user;
    control->refused += stranger;
    if (control->count == CONTROL_CLIENTS)
        make_room(control, stranger);
    if (control->count == CONTROL_CLIENTS) {
        (void)close(descriptor); /* nothing was sent */
        return;
    }
    client = control->clients[control->count++];
    client->source =
        (struct loop_source){.descriptor = descriptor, .ready = on_readable, .context = client};
    client->until = control->loop->now + CONTROL_LIFE;
    client->user = peer.uid;
    client->stranger = stranger;
    connection_open(&client->connection, descriptor, control->read_only);
    proceed(client);
}

static const char *name_of(const struct control *control)
{
    return control->read_only ? "metrics port" : "control socket";
}

static void pause_accepting(struct control *control, int error)
{
    loop_ignore(control->loop, &control->source);
    errno = error;
    if (!backoff_failing(&control->accepting))
        log_warning("cannot accept connections of the %s: %m; trying again", name_of(control));
    backoff_failed(&control->accepting, control->loop->now);
    control->resume.deadline = control->accepting.until;
}

static void accept_one(void *context)
{
    struct control *control = context;
    int listener = control->source.descriptor;
    int descriptor = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    int error = descriptor < 0 ? errno : 0;

    if (descriptor >= 0) {
        backoff_succeeded(&control->accepting);
        enter(control, descriptor);
        if (!control->read_only)
            return;
        loop_ignore(control->loop, &control->source);
        control->resume.deadline = control->loop->now + ACCEPT_NEXT;
    } else if (error == EINVAL || (error == EAGAIN && socket_is_shut_down(listener))) {
        loop_ignore(control->loop, &control->source);
        log_error("another process has shut down the %s: nobody can connect to it any more",
                  name_of(control));
    } else if (error != EAGAIN && error != EINTR && error != ECONNABORTED && error != EPROTO) {
        pause_accepting(control, error);
    }
}

static void resume_accepting(void *context)
{
    struct control *control = context;

    if (loop_watch(control->loop, &control->source) != 0)
        pause_accepting(control, errno);
}

/* ---- the whole ---- */

int control_open(struct control *control, struct loop *loop, int listener, bool read_only,
                 uid_t user, control_answerer *answerer, void *context)
{
    struct control_client *memory = calloc(CONTROL_CLIENTS, sizeof(*memory));
    int error;

    *control = (struct control){
        .loop = loop,
        .source = {.descriptor = listener, .ready = accept_one, .context = control},
        .read_only = read_only,
        .user = user,
        .answer = answerer,
        .context = context,
        .memory = memory,
        .timer = {.expired = on_due, .context = control},
        .resume = {.expired = resume_accepting, .context = control},
        .accepting = BACKOFF,
    };
    /* TCP connections inherit it.  Unix connections do not, but their default of 208 KiB takes the
     * longest answer at once (socket(7), wmem_default). */
    if (memory == NULL || socket_set(listener, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER) != 0 ||
        loop_watch(loop, &control->source) != 0) {
        error = errno;
        free(memory);
        control->memory = NULL;
        errno = error;
        return -1;
    }
    for (unsigned i = 0; i < CONTROL_CLIENTS; i++) {
        control->clients[i] = &memory[i];
        memory[i].control = control;
    }
    loop_add_timer(loop, &control->timer);
    loop_add_timer(loop, &control->resume);
    return 0;
}

uint32_t control_descriptors(const struct control *control)
{
    uint32_t count = control->count;

    for (unsigned i = 0; i < control->count; i++)
        count += control->clients[i]->connection.passed != -1;
    return count;
}

void control_close(struct control *control)
{
    if (control->memory == NULL || control->source.descriptor < 0)
        return;
    while (control->count > 0)
        end(control->clients[0]);
    control->resume.deadline = 0;
    loop_ignore(control->loop, &control->source);
    (void)close(control->source.descriptor); /* nothing is written to it */
    control->source.descriptor = -1; /* the memory stays: events of this round may point to it */
}
