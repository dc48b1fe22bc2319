#include "supervisor/takeover/handover.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/address.h"
#include "supervisor/base/stores.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    START_WITHIN = 60 * LOOP_SECOND, /* from HELLO to GO */
    TAKE_WITHIN = 30 * LOOP_SECOND,  /* from GO to READY */
    TRY_AGAIN = 100 * LOOP_MILLISECOND,
    UNTAKEN_MOST = 4,
    MESSAGES_AT_ONCE = 32 /* each may make room for INHERITANCE_BATCH clients */
};

/* In this order: another supervisor must not find a number that is free. */
static void close_link(struct handover *handover)
{
    int link = handover->source.descriptor;

    loop_ignore(handover->loop, &handover->source);
    handover->source.descriptor = -1;
    stores_settle();
    (void)close(link); /* messages that were sent can still be read */
}

/* ---- the ends of handlers ---- */

static int report_end(const struct handover *handover, const struct client *client)
{
    union inheritance message = {.ended = {.ticket = clients_ticket(client),
                                           .status = client->status,
                                           .known = client->reaped}};

    return inheritance_send(handover->source.descriptor, INHERITANCE_ENDED, &message, NULL);
}

/* Reports the ends that are owed, while the link takes them, and ends their clients.  Without a
 * link, only ends the clients. */
static void report(struct handover *handover)
{
    struct clients *clients = &handover->queue->clients;
    struct client *next;

    for (struct client *client = clients_first(clients, CLIENT_RUNNING);
         client != NULL && handover->owed > 0; client = next) {
        next = clients_next(clients, client);
        if (!client->owed)
            continue;
        if (handover->source.descriptor >= 0 && report_end(handover, client) != 0) {
            handover->deadline.deadline = handover->loop->now + TRY_AGAIN;
            return;
        }
        clients_end(clients, client, CLIENT_SERVED);
        handover->owed--;
    }
}

/* ---- the end of the handover ---- */

static void give_up(struct handover *handover, const char *reason)
{
    struct loop_source *signs = &handover->queue->signs;

    log_warning("takeover aborted: the new process %s", reason);
    if (handover->phase >= HANDOVER_SENDING) {
        if (signs->descriptor >= 0 && loop_watch(handover->loop, signs) != 0)
            log_error("cannot watch waiting clients for hang-ups any more: %m");
        offer_lend(&handover->offer, &handover->events, UINT64_MAX, false);
        accept_hold(handover->acceptor, false);
    }
    close_link(handover);
    report(handover);
    handover->phase = HANDOVER_NONE;
    handover->unsaid = false; /* the next new process must not be told it */
    handover->deadline.deadline = 0;
}

static void abort_it(struct handover *handover, const char *reason)
{
    if (handover->reason == NULL)
        handover->reason = reason;
    loop_ignore(handover->loop, &handover->source); /* further messages are void */
    /* Without ABORTED, the new process could take the end of the messages for our death. */
    if (inheritance_say(handover->source.descriptor, INHERITANCE_ABORTED) != 0 && errno != EPIPE &&
        errno != ECONNRESET) {
        handover->deadline.deadline = handover->loop->now + TRY_AGAIN;
        return;
    }
    give_up(handover, handover->reason);
}

/* Gives everything up that the new process has.  Copies of clients are closed by and by, the oldest
 * first: only then can a client see that its handler has closed the connection. */
static void leave_all(struct handover *handover)
{
    handover->events.handed_over(handover->events.context, handover->successor);
    offer_lend(&handover->offer, &handover->events, ~handover->used, false);
    accept_stop(handover->acceptor);
    queue_clear(handover->queue, CLIENT_HANDED_OVER);
    report(handover);
}

static void finish(struct handover *handover)
{
    const struct clients *clients = &handover->queue->clients;

    handover->phase = HANDOVER_DONE; /* before all else: handover_resume() */
    log_write(LOG_LEVEL_ANSWER,
              "process %d took over; waiting clients: %u; handlers still to end here: %u",
              handover->successor, clients_count(clients, CLIENT_QUEUED),
              clients_count(clients, CLIENT_RUNNING) - handover->owed);
    leave_all(handover);
}

/* ---- from phase to phase ---- */

/* Returns whether a client is left to be sent. */
static bool find_next(struct handover *handover)
{
    if (handover->next == NULL && !handover->queued) {
        handover->queued = true;
        handover->next = clients_first(&handover->queue->clients, CLIENT_QUEUED);
    }
    return handover->next != NULL;
}

/* Sends the next clients in one message.  Returns 0, or -1 with errno: they stay the next ones. */
static int send_batch(struct handover *handover)
{
    struct client *client = handover->next;
    union inheritance message = {.clients = {.header = {.count = 0}}};
    struct inheritance_header *header = &message.header;
    int descriptors[INHERITANCE_BATCH];

    for (; client != NULL && header->count < INHERITANCE_BATCH;
         client = clients_next(&handover->queue->clients, client)) {
        descriptors[header->count] = client->descriptor;
        message.clients.list[header->count++] = (struct inheritance_client){
            .ticket = clients_ticket(client),
            .accepted = client->accepted,
            .started = client->started,
            .remote = address_without_number(&client->remote),
        };
    }
    if (inheritance_send(handover->source.descriptor,
                         handover->queued ? INHERITANCE_QUEUED : INHERITANCE_RUNNING, &message,
                         descriptors) != 0)
        return -1;
    handover->next = client;
    handover->untaken++;
    return 0;
}

/* Sends the next limit.  Returns 0, or -1 with errno: it stays the next one. */
static int send_setting(struct handover *handover)
{
    union inheritance message = {.setting = {.limit = handover->settings->list[handover->setting]}};

    if (inheritance_send(handover->source.descriptor, INHERITANCE_SETTING, &message, NULL) != 0)
        return -1;
    handover->setting++;
    return 0;
}

static int send_all(struct handover *handover)
{
    union inheritance message = {
        .all = {.last_ticket = handover->queue->clients.books->last_ticket,
                .judged = handover->queue->clients.books->judged,
                .paused = *handover->paused},
    };

    /* From ALL on, the new process serves if it finds us dead: the files must stay then.  The phase
     * comes first: another pair must not serve as well. */
    offer_lend(&handover->offer, &handover->events, UINT64_MAX, true);
    stores_settle();
    handover->phase = HANDOVER_SENT;
    stores_settle();
    if (inheritance_send(handover->source.descriptor, INHERITANCE_ALL, &message, NULL) == 0)
        return 0;
    handover->phase = HANDOVER_SENDING;
    return -1;
}

/* Sends what comes next.  Returns 0, or -1 with errno. */
static int send_next(struct handover *handover)
{
    if (find_next(handover))
        return send_batch(handover);
    if (handover->tells_settings && handover->setting < handover->settings->count)
        return send_setting(handover);
    return send_all(handover);
}

/* Sends all that the link takes now.  Each TAKEN makes room for more. */
static void send_clients(struct handover *handover)
{
    while (handover->phase == HANDOVER_SENDING && handover->untaken < UNTAKEN_MOST) {
        if (send_next(handover) == 0)
            continue;
        if (handover->untaken == 0)
            abort_it(handover, "did not take the clients");
        return;
    }
}

/* If the new process is gone already, this process alone serves.  The phase comes first: another
 * supervisor must not serve clients that may be the new process's. */
static void commit(struct handover *handover, const struct inheritance_ready *ready)
{
    handover->deadline.deadline = 0;
    handover->successor = ready->process;
    handover->used = ready->used;
    stores_settle();
    handover->phase = HANDOVER_COMMITTED;
    stores_settle();
    if (inheritance_say(handover->source.descriptor, INHERITANCE_COMMITTED) == 0)
        return;
    handover->phase = HANDOVER_SENT;
    abort_it(handover, "could not be told to serve");
}

/* An earlier supervisor may not have said it, or the answer was lost with that supervisor, or END.
 * If the new process is dead, an event will say so. */
static void commit_again(struct handover *handover)
{
    handover->unsaid = inheritance_say(handover->source.descriptor, INHERITANCE_COMMITTED) != 0 &&
                       errno != EPIPE && errno != ECONNRESET;
    if (handover->unsaid)
        handover->deadline.deadline = handover->loop->now + TRY_AGAIN;
}

void handover_advance(struct handover *handover)
{
    struct queue *queue = handover->queue;

    if (handover->phase != HANDOVER_SETTLING || clients_count(&queue->clients, CLIENT_STARTING) > 0)
        return;
    accept_hold(handover->acceptor, true);
    loop_ignore(handover->loop, &queue->signs);
    handover->phase = HANDOVER_SENDING;
    handover->queued = false;
    handover->next = clients_first(&queue->clients, CLIENT_RUNNING);
    send_clients(handover);
}

/* ---- messages of the new process ---- */

static const unsigned permitted[] = {
    [HANDOVER_ANNOUNCED] = INHERITANCE_SET(INHERITANCE_GO),
    [HANDOVER_SENDING] = INHERITANCE_SET(INHERITANCE_TAKEN),
    [HANDOVER_SENT] = INHERITANCE_SET(INHERITANCE_TAKEN) | INHERITANCE_SET(INHERITANCE_READY),
    [HANDOVER_COMMITTED] = INHERITANCE_SET(INHERITANCE_SERVING),
    [HANDOVER_DONE] = INHERITANCE_SET(INHERITANCE_SERVING) | INHERITANCE_SET(INHERITANCE_SETTLED) |
                      INHERITANCE_SET(INHERITANCE_END),
};

/* Returns the types of messages that may come now.  If SERVING was lost with an earlier supervisor,
 * what the new process says later comes before it says SERVING again. */
static unsigned permitted_now(const struct handover *handover)
{
    bool lost = handover->phase == HANDOVER_COMMITTED && handover->resumed;

    return permitted[lost ? HANDOVER_DONE : handover->phase];
}

/* Takes a message that is permitted in this phase.  Returns false if it violates the protocol. */
static bool take(struct handover *handover, const union inheritance *message)
{
    if (handover->phase == HANDOVER_COMMITTED)
        finish(handover); /* all that may come now means that the new process serves */
    switch (message->header.type) {
    case INHERITANCE_GO:
        handover->phase = HANDOVER_SETTLING; /* handover_advance() follows each round */
        handover->deadline.deadline = handover->loop->now + TAKE_WITHIN;
        break;
    case INHERITANCE_TAKEN:
        if (handover->untaken == 0)
            return false;
        handover->untaken--;
        send_clients(handover);
        break;
    case INHERITANCE_READY:
        if (handover->untaken > 0)
            return false;
        commit(handover, &message->ready);
        break;
    case INHERITANCE_SERVING: /* if it is no news, it answers commit_again() */
        break;
    case INHERITANCE_SETTLED:
        handover->settled = true;
        break;
    case INHERITANCE_END:
        if (message->end.signal == SIGTERM || message->end.signal == SIGKILL)
            handover->events.end_handlers(handover->events.context, message->end.signal);
        break;
    }
    return true;
}

/* A new process that takes clients as fast as they are sent must not keep others waiting. */
static void on_message(void *context)
{
    struct handover *handover = context;

    for (unsigned i = 0; i < MESSAGES_AT_ONCE && handover->source.watched; i++) {
        union inheritance message;
        int none[INHERITANCE_BATCH];
        enum inheritance_type type = inheritance_receive(handover->source.descriptor,
                                                         permitted_now(handover), &message, none);
        bool ended = type == 0 && errno == ECONNRESET;
        const char *reason = ended ? "ended" : "violated the protocol";

        if (type == 0 && errno == EAGAIN)
            return;
        if (type != 0 && take(handover, &message))
            continue;
        if (handover->phase == HANDOVER_DONE) {
            close_link(handover);
            report(handover); /* without a link, ends all clients whose end is owed */
        } else if (handover->phase == HANDOVER_COMMITTED || ended) {
            give_up(handover, reason);
        } else {
            abort_it(handover, reason);
        }
    }
}

static void on_deadline(void *context)
{
    struct handover *handover = context;

    if (handover->unsaid)
        commit_again(handover);
    if (handover->phase == HANDOVER_DONE)
        report(handover);
    else if (handover->phase == HANDOVER_SETTLING)
        abort_it(handover, "waited too long for a handler to start");
    else if (handover->phase != HANDOVER_COMMITTED)
        abort_it(handover, "was not ready in time");
}

/* ---- what the service asks ---- */

/* Reads first: the link may hold SERVING, or the news that the new process is dead. */
void handover_end(struct handover *handover)
{
    handover->ending = true;
    if (handover->phase == HANDOVER_COMMITTED)
        on_message(handover);
    if (handover->phase == HANDOVER_COMMITTED)
        finish(handover);
    else if (handover->phase != HANDOVER_NONE && handover->phase != HANDOVER_DONE)
        abort_it(handover, "was not ready before the service ended");
}

bool handover_holds_starts(const struct handover *handover)
{
    return handover->phase >= HANDOVER_SETTLING;
}

bool handover_holds_clients(const struct handover *handover)
{
    return handover->phase >= HANDOVER_SENDING;
}

bool handover_is_over(const struct handover *handover)
{
    return handover->phase != HANDOVER_DONE || handover->settled || handover->source.descriptor < 0;
}

void handover_leave(struct handover *handover)
{
    if (handover->phase != HANDOVER_DONE || handover->left)
        return;
    handover->left = inheritance_say(handover->source.descriptor, INHERITANCE_LEFT) == 0 ||
                     errno == EPIPE || errno == ECONNRESET || errno == EBADF;
    if (!handover->left && handover->deadline.deadline == 0)
        handover->deadline.deadline = handover->loop->now + TRY_AGAIN;
}

bool handover_ended(struct handover *handover, struct client *client, const int *status)
{
    /* Before RUNNING is sent, and once the new process is gone, there is nothing to report. */
    if (handover->phase < HANDOVER_SENDING || handover->source.descriptor < 0)
        return true;
    client->owed = true;
    client->reaped = status != NULL;
    client->status = status == NULL ? 0 : *status;
    client->process = 0; /* another process may get this number */
    client->dispatcher = CLIENT_FOREIGN;
    handover->owed++;
    /* Not now: the caller may hold another client whose end is owed, and which would end. */
    if (handover->phase == HANDOVER_DONE && handover->deadline.deadline == 0)
        handover->deadline.deadline = handover->loop->now;
    return false;
}

/* ---- its beginning ---- */

void handover_open(struct handover *handover, struct loop *loop, struct queue *queue,
                   struct acceptor *acceptor, const bool *paused,
                   const struct inheritance_settings *settings,
                   const struct takeover_events *events)
{
    handover->loop = loop;
    handover->acceptor = acceptor;
    handover->paused = paused;
    handover->settings = settings;
    handover->events = *events;
    handover->queue = queue;
    handover->source = (struct loop_source){
        .descriptor = handover->phase == HANDOVER_NONE ? -1 : handover->source.descriptor,
        .ready = on_message,
        .context = handover};
    handover->offer.count = 0;
    handover->reason = NULL;
    handover->deadline.expired = on_deadline;
    handover->deadline.context = handover;
    loop_add_timer(loop, &handover->deadline);
    for (size_t i = 0; i < acceptor->count; i++) {
        const struct listener *each = &acceptor->listeners[i];

        if (!each->retired)
            offer_add(&handover->offer, (struct offer_socket){.kind = INHERITANCE_SERVICE,
                                                              .descriptor = &each->descriptor,
                                                              .place = each->path,
                                                              .name = each->name,
                                                              .passed = each->passed});
    }
}

void handover_resume(struct handover *handover)
{
    const struct clients *clients = &handover->queue->clients;

    if (handover->phase == HANDOVER_NONE)
        return;
    handover->owed = 0;
    handover->unsaid = false;
    handover->resumed = true;
    for (const struct client *client = clients_first(clients, CLIENT_RUNNING); client != NULL;
         client = clients_next(clients, client))
        handover->owed += client->owed;
    if (handover->source.descriptor >= 0 && loop_watch(handover->loop, &handover->source) != 0) {
        log_error("cannot hear the new process: %m");
        close_link(handover);
    }
    if (handover->phase == HANDOVER_DONE) {
        loop_ignore(handover->loop, &handover->queue->signs); /* the new process hears them */
        leave_all(handover);
    } else if (handover->source.descriptor < 0) { /* it was being given up */
        give_up(handover, "is gone");
    } else if (handover->phase == HANDOVER_COMMITTED) {
        accept_hold(handover->acceptor, true);
        loop_ignore(handover->loop, &handover->queue->signs);
    } else {
        abort_it(handover, "met another supervisor");
    }
    if (handover->phase >= HANDOVER_COMMITTED && handover->source.descriptor >= 0)
        commit_again(handover);
}

/* Opens the link and sends the sockets, which fit into it at once.  Returns the end for the new
 * process, or -1 with errno. */
static int open_link(struct handover *handover)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    handover->source.descriptor = pair[0];
    if (loop_watch(handover->loop, &handover->source) == 0 &&
        offer_send(&handover->offer, pair[0], handover->events.process) == 0)
        return pair[1];
    (void)close(pair[1]); /* keeps errno: it cannot fail */
    close_link(handover);
    return -1;
}

/* Returns why nothing can be handed over now; NULL: it can. */
static const char *find_obstacle(const struct handover *handover, uint64_t version)
{
    if (version != INHERITANCE_VERSION && version != INHERITANCE_WITH_SETTING)
        return "this daemon speaks another version of the takeover protocol";
    if (handover->ending || handover->phase == HANDOVER_DONE)
        return "the service is about to end";
    if (handover->phase != HANDOVER_NONE)
        return "another process is about to take over";
    if (handover->offer.count > INHERITANCE_LISTENERS)
        return "this daemon has too many listeners";
    for (size_t i = 0; i < handover->acceptor->count; i++)
        if (handover->acceptor->listeners[i].retired &&
            handover->acceptor->listeners[i].descriptor >= 0)
            return "clients still wait in the backlog of a listener that is no longer wanted";
    return NULL;
}

int handover_begin(struct handover *handover, uint64_t version, const char **error)
{
    int descriptor;

    *error = find_obstacle(handover, version);
    if (*error != NULL)
        return -1;
    descriptor = open_link(handover);
    if (descriptor < 0) {
        *error = strerror(errno);
        return -1;
    }
    log_info("another process is about to take over");
    handover->phase = HANDOVER_ANNOUNCED;
    handover->tells_settings = version == INHERITANCE_WITH_SETTING;
    handover->setting = 0;
    handover->untaken = 0;
    handover->successor = 0;
    handover->used = UINT64_MAX; /* it may be all of them */
    handover->resumed = false;
    handover->reason = NULL;
    handover->deadline.deadline = handover->loop->now + START_WITHIN;
    return descriptor;
}
