#include "supervisor/control/control_client.h"

#include "dispatcher/shared/log.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    DISCARDED_MAXIMUM = 64 << 10,      /* bytes */
    SEND_AGAIN = 20 * LOOP_MILLISECOND /* as the loop does not tell when there is room */
};

void control_client_end(struct control_client *client)
{
    struct control *control = client->control;

    loop_ignore(control->loop, &client->source);
    control_reply_close(&client->reply);
    (void)close(client->source.descriptor); /* what it has to tell was sent, or never will be */
    list_remove(&control->living, &client->entry);
    list_append(&control->unused, &client->entry);
    if (control->living.length > 0)
        return;
    control->ageing.deadline = 0; /* there is nothing to wake up for */
    control->next.deadline = 0;
    control->retry.deadline = 0;
}

/* Reads what is not wanted, a little at a time; ends a client of whom too much has come. */
static void discard(struct control_client *client)
{
    ssize_t got =
        recv(client->source.descriptor, client->request, CONTROL_REQUEST_MAXIMUM, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    client->discarded += got > 0 ? (size_t)got : 0;
    if (got <= 0 || client->discarded >= DISCARDED_MAXIMUM)
        control_client_end(client);
}

static void linger(struct control_client *client)
{
    client->state = CONTROL_CLIENT_LINGERING;
    if (client->ended || shutdown(client->source.descriptor, SHUT_WR) != 0 ||
        loop_watch(client->control->loop, &client->source) != 0)
        control_client_end(client);
}

void control_client_send(struct control_client *client)
{
    switch (control_reply_send(&client->reply, client->source.descriptor)) {
    case CONTROL_REPLY_SENT:
        control_reply_close(&client->reply);
        linger(client);
        break;
    case CONTROL_REPLY_LEFT:
        client->state = CONTROL_CLIENT_SENDING;
        if (client->control->retry.deadline == 0)
            client->control->retry.deadline = client->control->loop->now + SEND_AGAIN;
        break;
    case CONTROL_REPLY_FAILED:
        control_client_end(client);
        break;
    }
}

/* Answers what was not understood, or not permitted. */
static void refuse(struct control_client *client, struct control_answer *answer)
{
    const struct control *control = client->control;

    if (client->stranger) {
        answer->status = 403;
        text_add(&answer->text, "error: only root and user %u may use this socket\n",
                 (unsigned)control->user);
    } else {
        answer->status = client->question.status;
        text_add(&answer->text, "error: %s\n", client->question.error);
    }
}

static void ask_owner(struct control_client *client, struct control_answer *answer)
{
    struct control *control = client->control;
    const struct control_request request = {
        .words = client->question.words,
        .http = client->question.http,
        .read_only = control->read_only,
        .user = client->user,
    };

    control->answer(control->context, &request, answer);
    if (!answer->text.cut)
        return;
    if (!control->was_cut)
        log_warning("the answer to \"%.100s\" is longer than %d bytes: the operator gets an error "
                    "instead, now and from now on",
                    request.words, CONTROL_ANSWER_MAXIMUM - 1);
    control->was_cut = true;
    if (answer->descriptor != -1)
        (void)close(answer->descriptor); /* nothing was written to it */
    answer->descriptor = -1;
    text_open(&answer->text, client->body, sizeof(client->body));
    text_add(&answer->text, "error: the answer is too long\n");
    answer->status = 500;
    answer->type = "text/plain; charset=utf-8";
}

void control_client_answer(struct control_client *client)
{
    const struct control_question *question = &client->question;
    struct control_reply *reply = &client->reply;
    struct control_answer given = {
        .status = 200, .type = "text/plain; charset=utf-8", .descriptor = -1};

    text_open(&reply->head, client->head, sizeof(client->head));
    text_open(&given.text, client->body, sizeof(client->body));
    if (client->stranger || question->error != NULL)
        refuse(client, &given);
    else
        ask_owner(client, &given);

    if (question->http)
        http_write_head(&reply->head, given.status, given.type, given.text.length);
    if (reply->head.cut)
        log_bug("the head of an answer of type %s is too long", given.type);
    if (question->http && question->only_head)
        text_open(&given.text, client->body, sizeof(client->body));
    reply->body = given.text;
    reply->descriptor = given.descriptor;
    if (client->control->read_only)
        control_reply_close(reply);
    control_client_send(client);
}

static void read_request(struct control_client *client)
{
    struct control *control = client->control;
    ssize_t got = recv(client->source.descriptor, client->request + client->received,
                       CONTROL_REQUEST_MAXIMUM - client->received, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    client->ended = got == 0;
    client->received += got > 0 ? (size_t)got : 0;
    if (got < 0 || client->received == 0) {
        control_client_end(client);
        return;
    }
    if (!control_question_read(&client->question, client->request, client->received, client->ended,
                               control->read_only))
        return;
    client->state = CONTROL_CLIENT_ASKING;
    loop_ignore(control->loop, &client->source);
    control->next.deadline = control->loop->now;
}

static void on_readable(void *context)
{
    struct control_client *client = context;

    if (client->state == CONTROL_CLIENT_READING)
        read_request(client);
    else
        discard(client);
}

void control_client_begin(struct control *control, int descriptor, uid_t user, bool stranger)
{
    /* The one that was used last: its memory is there already. */
    struct control_client *client = (struct control_client *)list_last(&control->unused);

    list_remove(&control->unused, &client->entry);
    list_append(&control->living, &client->entry);
    client->source =
        (struct loop_source){.descriptor = descriptor, .ready = on_readable, .context = client};
    client->until = control->loop->now + CONTROL_LIFE;
    client->state = CONTROL_CLIENT_READING;
    client->user = user;
    client->stranger = stranger;
    client->ended = false;
    client->received = 0;
    client->discarded = 0;
    client->reply = (struct control_reply){.descriptor = -1};
    if (control->ageing.deadline == 0)
        control->ageing.deadline = client->until;
    if (loop_watch(control->loop, &client->source) != 0)
        control_client_end(client);
}
