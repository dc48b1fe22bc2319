#include "supervisor/takeover/handover.h"

#include "dispatcher/shared/log.h"
#include "supervisor/listen/accept.h"
#include "supervisor/server/state.h"
#include "supervisor/takeover/handover_clients.h"
#include "supervisor/takeover/handover_sockets.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    START_WITHIN = 60 * LOOP_SECOND, /* the other one, until GO */
    TAKE_WITHIN = 30 * LOOP_SECOND,  /* from then until READY */
    TRY_AGAIN = 100 * LOOP_MILLISECOND
};

/* ---- it is over ---- */

static void give_up(struct server *server, const char *reason)
{
    struct handover *handover = &server->handover;

    log_warning("another process that was to take over %s: it does not", reason);
    if (handover->phase >= HANDOVER_SENDING && server->queue.watch.source.descriptor >= 0 &&
        loop_watch(&server->loop, &server->queue.watch.source) != 0)
        log_error("cannot watch waiting clients any more: %m");
    if (handover->phase >= HANDOVER_SENDING) {
        handover_sockets_return(server, 0);
        accept_hold(&server->acceptor, false);
    }
    handover_close(server);
    handover_forget_owed(server);
    handover->phase = HANDOVER_NONE;
    handover->deadline.deadline = 0;
}

static void abort_it(struct server *server, const char *reason)
{
    struct handover *handover = &server->handover;
    union inheritance message;

    if (handover->reason == NULL)
        handover->reason = reason;
    inheritance_begin(&message, INHERITANCE_ABORTED);
    loop_ignore(&server->loop, &handover->source); /* whatever it may still say */
    /* Without this the other one might take the end of the messages for the end of this process. */
    if (handover_send(server, &message, NULL) != 0 && errno != EPIPE && errno != ECONNRESET) {
        handover->deadline.deadline = server->loop.now + TRY_AGAIN;
        return;
    }
    give_up(server, handover->reason);
}

/* What is here are copies now. */
static void finish(struct server *server)
{
    struct handover *handover = &server->handover;

    log_warning("process %d has taken over %u waiting clients; %u handlers are left to end here",
                handover->successor, clients_count(&server->queue.clients, CLIENT_QUEUED),
                clients_count(&server->queue.clients, CLIENT_RUNNING) - handover->owed);
    handover->phase = HANDOVER_DONE;
    server->shutdown.stage = SERVER_HANDED_OVER;
    notify_successor(&server->notify, handover->successor);
    handover_sockets_return(server, handover->used);
    accept_stop(&server->acceptor);
    handover_clients_end(server);
    handover_report_owed(server);
}

/* It has all.  If it is gone already, nobody serves but us. */
static void commit(struct server *server, const struct inheritance_ready *ready)
{
    struct handover *handover = &server->handover;
    union inheritance message;

    inheritance_begin(&message, INHERITANCE_COMMITTED);
    if (handover_send(server, &message, NULL) != 0) {
        abort_it(server, "cannot be told that it may");
        return;
    }
    handover->phase = HANDOVER_COMMITTED;
    handover->deadline.deadline = 0;
    handover->successor = ready->process;
    handover->used = ready->used;
}

void handover_advance(struct server *server)
{
    handover_leave(server);
    if (server->handover.phase != HANDOVER_SETTLING ||
        clients_count(&server->queue.clients, CLIENT_STARTING) > 0)
        return;
    accept_hold(&server->acceptor, true);
    loop_ignore(&server->loop, &server->queue.watch.source);
    if (!handover_clients_begin(server))
        abort_it(server, "cannot be sent who waits");
}

/* ---- what it says ---- */

static void on_go(struct server *server, const union inheritance *message)
{
    (void)message;
    server->handover.phase = HANDOVER_SETTLING; /* handover_advance() follows each round */
    server->handover.deadline.deadline = server->loop.now + TAKE_WITHIN;
}

static void on_taken(struct server *server, const union inheritance *message)
{
    (void)message;
    if (server->handover.untaken == 0) {
        abort_it(server, "does not keep to the rules");
        return;
    }
    server->handover.untaken--;
    if (!handover_clients_send(server))
        abort_it(server, "cannot be sent who waits");
}

static void on_message_ready(struct server *server, const union inheritance *message)
{
    if (server->handover.untaken == 0)
        commit(server, &message->ready);
    else
        abort_it(server, "does not keep to the rules");
}

static void on_serving(struct server *server, const union inheritance *message)
{
    (void)message;
    finish(server);
}

static void on_settled(struct server *server, const union inheritance *message)
{
    (void)message;
    server->handover.settled = true;
}

static void on_end(struct server *server, const union inheritance *message)
{
    if (message->end.signal == SIGTERM || message->end.signal == SIGKILL)
        server->handover.end(server, message->end.signal);
}

/* Which message is permitted in which phase, and who takes it. */
static const struct {
    enum inheritance_type type;
    enum handover_phase from;
    enum handover_phase to;
    void (*take)(struct server *server, const union inheritance *message);
} rules[] = {
    {INHERITANCE_GO, HANDOVER_ANNOUNCED, HANDOVER_ANNOUNCED, on_go},
    {INHERITANCE_TAKEN, HANDOVER_SENDING, HANDOVER_SENT, on_taken},
    {INHERITANCE_READY, HANDOVER_SENT, HANDOVER_SENT, on_message_ready},
    {INHERITANCE_SERVING, HANDOVER_COMMITTED, HANDOVER_COMMITTED, on_serving},
    {INHERITANCE_SETTLED, HANDOVER_DONE, HANDOVER_DONE, on_settled},
    {INHERITANCE_END, HANDOVER_DONE, HANDOVER_DONE, on_end},
};

enum { RULES = sizeof(rules) / sizeof(*rules) };

static unsigned permitted(const struct handover *handover)
{
    unsigned types = 0;

    for (int i = 0; i < RULES; i++)
        if (handover->phase >= rules[i].from && handover->phase <= rules[i].to)
            types |= INHERITANCE_SET(rules[i].type);
    return types;
}

static void take(struct server *server, const union inheritance *message)
{
    for (int i = 0; i < RULES; i++)
        if (message->header.type == rules[i].type) {
            rules[i].take(server, message);
            return;
        }
}

static void gone(struct server *server)
{
    if (server->handover.phase != HANDOVER_DONE) {
        give_up(server, "has ended");
        return;
    }
    handover_close(server);
    handover_forget_owed(server);
}

static void on_message(void *context)
{
    struct server *server = context;
    struct handover *handover = &server->handover;

    while (handover->source.watched) {
        union inheritance message;
        int none[INHERITANCE_BATCH];

        switch (
            inheritance_receive(handover->source.descriptor, permitted(handover), &message, none)) {
        case INHERITANCE_MESSAGE:
            take(server, &message);
            break;
        case INHERITANCE_EMPTY:
            return;
        case INHERITANCE_CLOSED:
            gone(server);
            return;
        case INHERITANCE_MALFORMED:
            if (handover->phase >= HANDOVER_COMMITTED)
                gone(server);
            else
                abort_it(server, "does not keep to the rules");
            return;
        }
    }
}

/* What it has said, or that it is dead, may lie there unread. */
void handover_end(struct server *server)
{
    if (server->handover.phase == HANDOVER_COMMITTED)
        on_message(server);
    if (server->handover.phase == HANDOVER_COMMITTED)
        finish(server);
    else if (server->handover.phase != HANDOVER_NONE && server->handover.phase != HANDOVER_DONE)
        abort_it(server, "was too late, as the service ends");
}

static void on_deadline(void *context)
{
    struct server *server = context;

    if (server->handover.phase == HANDOVER_DONE)
        handover_report_owed(server);
    else if (server->handover.phase == HANDOVER_SETTLING)
        abort_it(server, "had to wait too long for a handler that does not start");
    else
        abort_it(server, "was not ready in time");
}

/* ---- its beginning ---- */

void handover_open(struct server *server, void (*end)(struct server *server, int signal_number))
{
    struct handover *handover = &server->handover;

    handover->end = end;
    handover->source =
        (struct loop_source){.descriptor = -1, .ready = on_message, .context = server};
    handover->deadline = (struct loop_timer){.expired = on_deadline, .context = server};
    loop_add_timer(&server->loop, &handover->deadline);
}

/* One end is the other process'; all that is to be announced fits into the socket. */
static int open_link(struct server *server)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    server->handover.source.descriptor = pair[0];
    if (loop_watch(&server->loop, &server->handover.source) == 0 &&
        handover_sockets_send(server) == 0)
        return pair[1];
    (void)close(pair[1]); /* errno is that of what failed: this cannot fail */
    handover_close(server);
    return -1;
}

int handover_begin(struct server *server, uint64_t version, const char **error)
{
    struct handover *handover = &server->handover;
    int descriptor;

    if (version != INHERITANCE_VERSION)
        *error = "its version hands over in another way";
    else if (server->shutdown.stage != SERVER_SERVING)
        *error = "it is about to end";
    else if (handover->phase != HANDOVER_NONE)
        *error = "another process is about to take over";
    else
        *error = handover_sockets_obstacle(server);
    if (*error != NULL)
        return -1;
    descriptor = open_link(server);
    if (descriptor < 0) {
        *error = strerror(errno);
        return -1;
    }
    log_info("another process is about to take over");
    handover->phase = HANDOVER_ANNOUNCED;
    handover->untaken = 0;
    handover->settled = false;
    handover->left = false;
    handover->reason = NULL;
    handover->deadline.deadline = server->loop.now + START_WITHIN;
    return descriptor;
}
