#include "supervisor/control/control.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PLAIN "text/plain; charset=utf-8"

enum {
    SEND_BUFFER = 512 << 10,               /* bytes, so that TCP takes the longest answer at once */
    SEND_AGAIN = 20 * LOOP_MILLISECOND,    /* the loop does not report room in a socket */
    ACCEPT_AGAIN = 100 * LOOP_MILLISECOND, /* after a failure; doubles with each other one */
    ACCEPT_AGAIN_LONGEST = 5 * LOOP_SECOND,
    ACCEPT_NEXT = 2 * LOOP_MILLISECOND
};

struct control_client {
    struct list_entry entry; /* first member: a list entry is the client */
    struct control *control;
    struct loop_source source;
    uint64_t until; /* the end of its life */
    uid_t user;
    bool stranger; /* may not ask */
    struct connection connection;
};

/* ---- the clients, by age ---- */

static struct control_client *oldest(const struct control *control)
{
    return (struct control_client *)list_first(&control->living);
}

static struct control_client *younger(const struct control_client *client)
{
    return (struct control_client *)list_next(&client->control->living, &client->entry);
}

static struct control_client *oldest_asking(const struct control *control)
{
    struct control_client *client = oldest(control);

    while (client != NULL && client->connection.state != CONNECTION_ASKING)
        client = younger(client);
    return client;
}

/* Returns the client that has to go for another one; NULL: none.  The oldest stranger is first, and
 * a stranger replaces only strangers: no number of them keeps the operator out. */
static struct control_client *dispensable(const struct control *control, bool for_stranger)
{
    struct control_client *client = oldest(control);

    while (client != NULL && !client->stranger)
        client = younger(client);
    return client != NULL || for_stranger ? client : oldest(control);
}

/* ---- one client ---- */

static void end(struct control_client *client)
{
    struct control *control = client->control;

    loop_ignore(control->loop, &client->source);
    connection_close(&client->connection);
    list_remove(&control->living, &client->entry);
    list_append(&control->unused, &client->entry);
    if (control->living.length > 0)
        return;
    control->ageing.deadline = 0; /* there is nothing to wake up for */
    control->next.deadline = 0;
    control->retry.deadline = 0;
}

/* Arranges what the state of its connection requires next. */
static void proceed(struct control_client *client)
{
    struct control *control = client->control;

    switch (client->connection.state) {
    case CONNECTION_READING:
    case CONNECTION_LINGERING:
        if (loop_watch(control->loop, &client->source) != 0)
            end(client);
        break;
    case CONNECTION_ASKING:
        loop_ignore(control->loop, &client->source);
        control->next.deadline = control->loop->now;
        break;
    case CONNECTION_SENDING:
        if (control->retry.deadline == 0)
            control->retry.deadline = control->loop->now + SEND_AGAIN;
        break;
    case CONNECTION_OVER:
        end(client);
        break;
    }
}

static void on_readable(void *context)
{
    struct control_client *client = context;

    connection_read(&client->connection);
    proceed(client);
}

static void begin(struct control *control, int descriptor, uid_t user, bool stranger)
{
    /* The client that was used last: its memory is there already. */
    struct control_client *client = (struct control_client *)list_last(&control->unused);

    list_remove(&control->unused, &client->entry);
    list_append(&control->living, &client->entry);
    client->source =
        (struct loop_source){.descriptor = descriptor, .ready = on_readable, .context = client};
    client->until = control->loop->now + CONTROL_LIFE;
    client->user = user;
    client->stranger = stranger;
    connection_open(&client->connection, descriptor, control->read_only);
    if (control->ageing.deadline == 0)
        control->ageing.deadline = client->until;
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
    struct connection *connection = &client->connection;
    const struct control_request request = {
        .words = connection->question.words,
        .http = connection->question.http,
        .read_only = control->read_only,
        .user = client->user,
    };

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
    connection_prepare(connection, &answer->text);
    text_add(&answer->text, "error: the answer is too long\n");
    answer->status = 500;
    answer->type = PLAIN;
}

/* Answers the oldest request.  The next one waits for another round, which serves others first. */
static void answer_next(void *context)
{
    struct control *control = context;
    struct control_client *client = oldest_asking(control);

    if (client != NULL) {
        struct connection *connection = &client->connection;
        struct control_answer answer = {.status = 200, .type = PLAIN, .descriptor = -1};

        connection_prepare(connection, &answer.text);
        if (client->stranger || connection->question.error != NULL)
            refuse(client, &answer);
        else
            ask_owner(client, &answer);
        connection_answer(connection, answer.text.length, answer.status, answer.type,
                          answer.descriptor);
        proceed(client);
    }
    if (oldest_asking(control) != NULL)
        control->next.deadline = control->loop->now;
}

static void send_rest(void *context)
{
    struct control *control = context;
    struct control_client *next;

    for (struct control_client *client = oldest(control); client != NULL; client = next) {
        next = younger(client);
        if (client->connection.state != CONNECTION_SENDING)
            continue;
        connection_send(&client->connection);
        proceed(client);
    }
}

static void end_aged(void *context)
{
    struct control *control = context;
    struct control_client *client;

    while ((client = oldest(control)) != NULL && client->until <= control->loop->now)
        end(client);
    if (client != NULL)
        control->ageing.deadline = client->until;
}

/* ---- the listener ---- */

/* Looks up the user of a client; -1 on the metrics port, where everybody may ask. */
static int identify(const struct control *control, int descriptor, uid_t *user)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);

    *user = (uid_t)-1;
    if (control->read_only)
        return 0;
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
        return -1;
    *user = peer.uid;
    return 0;
}

static void enter(struct control *control, int descriptor)
{
    bool stranger;
    uid_t user;

    if (identify(control, descriptor, &user) != 0) {
        (void)close(descriptor); /* nothing was sent */
        return;
    }
    stranger = !control->read_only && user != 0 && user != control->user;
    control->refused += stranger;
    if (control->unused.length == 0 && dispensable(control, stranger) != NULL)
        end(dispensable(control, stranger));
    if (control->unused.length > 0)
        begin(control, descriptor, user, stranger);
    else
        (void)close(descriptor); /* nothing was sent */
}

static const char *name_of(const struct control *control)
{
    return control->read_only ? "metrics port" : "control socket";
}

static void pause_accepting(struct control *control)
{
    loop_ignore(control->loop, &control->source);
    if (!backoff_failing(&control->accepting))
        log_warning("cannot accept connections of the %s: %m; trying again", name_of(control));
    backoff_failed(&control->accepting, control->loop->now);
    control->resume.deadline = control->accepting.until;
}

/* Accepts a client.  Fails with EINVAL if another process that has the listener shut it down, for
 * good (accept(2)). */
static int accept_connection(const struct control *control)
{
    int listener = control->source.descriptor;
    int descriptor = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (descriptor < 0 && errno == EAGAIN && !control->read_only)
        errno = socket_is_shut_down(listener) ? EINVAL : EAGAIN;
    return descriptor;
}

static void accept_one(void *context)
{
    struct control *control = context;
    int descriptor = accept_connection(control);

    if (descriptor >= 0) {
        backoff_succeeded(&control->accepting);
        enter(control, descriptor);
        if (!control->read_only)
            return;
        loop_ignore(control->loop, &control->source);
        control->resume.deadline = control->loop->now + ACCEPT_NEXT;
    } else if (errno == EINVAL) {
        loop_ignore(control->loop, &control->source);
        log_error("another process has shut down the %s: nobody can connect to it any more",
                  name_of(control));
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED && errno != EPROTO) {
        pause_accepting(control);
    }
}

static void resume_accepting(void *context)
{
    struct control *control = context;

    if (loop_watch(control->loop, &control->source) != 0)
        pause_accepting(control);
}

/* ---- the whole ---- */

static int prepare(struct control *control)
{
    list_open(&control->living);
    list_open(&control->unused);
    control->clients = calloc(CONTROL_CLIENTS, sizeof(*control->clients));
    if (control->clients == NULL)
        return -1;
    for (unsigned i = 0; i < CONTROL_CLIENTS; i++) {
        control->clients[i].control = control;
        list_append(&control->unused, &control->clients[i].entry);
    }
    /* TCP connections inherit it.  Unix connections do not, but their default of 208 KiB takes the
     * longest answer at once (socket(7), wmem_default). */
    return socket_set(control->source.descriptor, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER);
}

int control_open(struct control *control, struct loop *loop, int listener, bool read_only,
                 uid_t user, control_answerer *answerer, void *context)
{
    int error;

    *control = (struct control){
        .loop = loop,
        .source = {.descriptor = listener, .ready = accept_one, .context = control},
        .read_only = read_only,
        .user = user,
        .answer = answerer,
        .context = context,
        .ageing = {.expired = end_aged, .context = control},
        .next = {.expired = answer_next, .context = control},
        .retry = {.expired = send_rest, .context = control},
        .resume = {.expired = resume_accepting, .context = control},
        .accepting = {.first = ACCEPT_AGAIN, .longest = ACCEPT_AGAIN_LONGEST},
    };
    if (prepare(control) != 0 || loop_watch(loop, &control->source) != 0) {
        error = errno;
        (void)close(listener); /* the error that matters is the one before */
        free(control->clients);
        errno = error;
        return -1;
    }
    loop_add_timer(loop, &control->ageing);
    loop_add_timer(loop, &control->next);
    loop_add_timer(loop, &control->retry);
    loop_add_timer(loop, &control->resume);
    return 0;
}

uint32_t control_descriptors(const struct control *control)
{
    uint32_t count = control->living.length;

    for (const struct control_client *client = oldest(control); client != NULL;
         client = younger(client))
        count += client->connection.passed != -1;
    return count;
}

void control_close(struct control *control)
{
    if (control->clients == NULL || control->source.descriptor < 0)
        return;
    while (oldest(control) != NULL)
        end(oldest(control));
    control->resume.deadline = 0;
    loop_ignore(control->loop, &control->source);
    (void)close(control->source.descriptor); /* nothing is written to it */
    control->source.descriptor = -1; /* the memory stays: events of this round may point to it */
}
