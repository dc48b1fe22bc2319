#include "supervisor/control/control.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/socket.h"
#include "supervisor/control/control_client.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SEND_BUFFER = 512 << 10,               /* so that TCP takes the longest answer at once */
    ACCEPT_AGAIN = 100 * LOOP_MILLISECOND, /* after a failure; twice as long after each other one */
    ACCEPT_AGAIN_LONGEST = 5 * LOOP_SECOND,
    ACCEPT_NEXT = 2 * LOOP_MILLISECOND
};

static struct control_client *oldest(const struct control *control)
{
    return (struct control_client *)list_first(&control->living); /* its first member */
}

static struct control_client *younger(const struct control_client *client)
{
    return (struct control_client *)list_next(&client->control->living, &client->entry);
}

static struct control_client *oldest_of(const struct control *control,
                                        enum control_client_state state)
{
    struct control_client *client = oldest(control);

    while (client != NULL && client->state != state)
        client = younger(client);
    return client;
}

/* The next one is answered in another round, and the service is served between the two. */
static void answer_next(void *context)
{
    struct control *control = context;
    struct control_client *client = oldest_of(control, CONTROL_CLIENT_ASKING);

    if (client != NULL)
        control_client_answer(client);
    if (oldest_of(control, CONTROL_CLIENT_ASKING) != NULL)
        control->next.deadline = control->loop->now;
}

static void send_rest(void *context)
{
    struct control *control = context;
    struct control_client *next;

    for (struct control_client *client = oldest(control); client != NULL; client = next) {
        next = younger(client);
        if (client->state == CONTROL_CLIENT_SENDING)
            control_client_send(client);
    }
}

static void end_aged(void *context)
{
    struct control *control = context;
    struct control_client *client;

    while ((client = oldest(control)) != NULL && client->until <= control->loop->now)
        control_client_end(client);
    if (client != NULL)
        control->ageing.deadline = client->until;
}

/* Strangers go first, and never in the place of somebody else: no number of them keeps the operator
 * out. */
static struct control_client *dispensable(const struct control *control, bool stranger)
{
    struct control_client *client = oldest(control);

    while (client != NULL && !client->stranger)
        client = younger(client);
    return client != NULL || stranger ? client : oldest(control);
}

/* Who it is; over the metrics port it is anybody. */
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
        control_client_end(dispensable(control, stranger));
    if (control->unused.length > 0)
        control_client_begin(control, descriptor, user, stranger);
    else
        (void)close(descriptor); /* likewise */
}

static const char *name_of(const struct control *control)
{
    return control->read_only ? "metrics port" : "control socket";
}

static void give_up(struct control *control)
{
    loop_ignore(control->loop, &control->source);
    log_error("another process has shut down the %s: nobody can connect to it any more",
              name_of(control));
}

static void pause_accepting(struct control *control)
{
    loop_ignore(control->loop, &control->source);
    if (!backoff_failing(&control->accepting))
        log_warning("cannot accept connections of the %s: %m; trying again", name_of(control));
    backoff_failed(&control->accepting, control->loop->now);
    control->resume.deadline = control->accepting.until;
}

/* The next one is accepted a little later: however many ask who may be anybody, most of the time is
 * the clients'. */
static void rest(struct control *control)
{
    loop_ignore(control->loop, &control->source);
    control->resume.deadline = control->loop->now + ACCEPT_NEXT;
}

/* EINVAL says that it does not listen any more (accept(2)), and never will: somebody who has it,
 * too, has shut it down. */
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
        if (control->read_only)
            rest(control);
    } else if (errno == EINVAL) {
        give_up(control);
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

static int prepare(struct control *control)
{
    const int size = SEND_BUFFER;

    list_open(&control->living);
    list_open(&control->unused);
    control->clients = calloc(CONTROL_CLIENTS, sizeof(*control->clients));
    if (control->clients == NULL)
        return -1;
    for (unsigned i = 0; i < CONTROL_CLIENTS; i++) {
        control->clients[i].control = control;
        list_append(&control->unused, &control->clients[i].entry);
    }
    /* Connections of TCP inherit it.  Those of Unix do not, but by the default of 208 KiB they take
     * the longest answer at once (socket(7), wmem_default). */
    return setsockopt(control->source.descriptor, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
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
        count += client->reply.descriptor != -1;
    return count;
}

/* The memory stays, as events of this round may still point to it. */
void control_close(struct control *control)
{
    if (control->clients == NULL || control->source.descriptor < 0)
        return;
    while (oldest(control) != NULL)
        control_client_end(oldest(control));
    control->resume.deadline = 0;
    loop_ignore(control->loop, &control->source);
    (void)close(control->source.descriptor); /* nothing is written to it */
    control->source.descriptor = -1;
}
