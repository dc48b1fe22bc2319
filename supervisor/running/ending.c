#include "supervisor/running/running.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/stores.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>

enum {
    SIGNALS_AT_ONCE = 64,                 /* before other events get their turn */
    REPEAT_SOON = 10 * LOOP_MILLISECOND,  /* until the receiver may have read its socket */
    REPEAT_LATER = 100 * LOOP_MILLISECOND /* until there may be a receiver */
};

/* ---- requests to dispatchers and to the keeper ---- */

/* Returns the stronger of the client's own signal and that of the service's end; 0: none. */
static int signal_for(const struct running *running, const struct client *client)
{
    return client->signal == SIGKILL || running->signal == 0 ? client->signal : running->signal;
}

/* An earlier debt stays. */
static void owe(struct running *running, uint64_t delay)
{
    uint64_t then = running->loop->now + delay;

    if (running->owed.deadline == 0 || then < running->owed.deadline)
        running->owed.deadline = then;
}

/* Asks the keeper, once, about an adopted handler or the group that a handler has left. */
static bool ask(struct running *running, const struct client *client)
{
    const struct running_events *events = &running->events;

    return client->ended
               ? events->await_group(events->context, client->process)
               : events->adopt(events->context, client->process, (uint32_t)clients_ticket(client));
}

/* Returns false if the signal must be sent again later. */
static bool send_signal(struct running *running, const struct client *client, int signal_number)
{
    const struct message_header header = {.client = client->handle,
                                          .ticket = clients_ticket(client)};

    if (client->dispatcher == CLIENT_ADOPTED)
        return running->events.signal(running->events.context, client->process, signal_number);
    return pool_signal(running->pool, client->dispatcher, &header, client->process,
                       signal_number) == 0;
}

/* Sends what the client's handler is due: the question about it, and its signal, once. */
static void pursue(struct running *running, struct client *client)
{
    int signal_number = signal_for(running, client);

    if (client->dispatcher == CLIENT_FOREIGN)
        return;
    if (client->dispatcher == CLIENT_ADOPTED && !client->asked)
        client->asked = ask(running, client);
    if (client->signalled != signal_number && send_signal(running, client, signal_number))
        client->signalled = (uint8_t)signal_number;
    else if (client->signalled != signal_number)
        owe(running, errno == ESRCH ? REPEAT_LATER : REPEAT_SOON);
    if (client->dispatcher == CLIENT_ADOPTED && !client->asked)
        owe(running, REPEAT_SOON);
}

void ending_pursue_all(void *context)
{
    struct running *running = context;

    running->owed.deadline = 0;
    for (struct client *client = clients_first(running->clients, CLIENT_RUNNING); client != NULL;
         client = clients_next(running->clients, client))
        pursue(running, client);
}

/* A start that hangs, in an exec on a dead file system for example, has the same time as a handler.
 * The first client in the list was given away first. */
static void signal_expired_starts(struct running *running)
{
    uint64_t allowed = running->timeouts.timeout;
    struct client *client = clients_first(running->clients, CLIENT_STARTING);

    for (; allowed != 0 && client != NULL && client->started + allowed <= running->loop->now;
         client = clients_next(running->clients, client)) {
        const struct message_header header = {.client = client->handle,
                                              .ticket = clients_ticket(client)};
        bool last = client->started + allowed + running->timeouts.kill_after <= running->loop->now;
        int signal_number = last ? SIGKILL : SIGTERM;
        int32_t process =
            client->signalled == signal_number
                ? 0
                : pool_signal_start(running->pool, client->dispatcher, &header, signal_number);

        if (process == 0)
            continue;
        client->signalled = (uint8_t)signal_number;
        log_warning("ticket %" PRIu64 ": process %d has been starting for too long: sending %s to "
                    "its group",
                    clients_ticket(client), process, last ? "SIGKILL" : "SIGTERM");
    }
}

/* Returns when a start will have taken too long; 0: none is under way. */
static uint64_t starts_deadline(const struct running *running)
{
    const struct client *first = clients_first(running->clients, CLIENT_STARTING);
    uint64_t allowed = running->timeouts.timeout;
    uint64_t deadline;

    if (first == NULL || allowed == 0)
        return 0;
    deadline = first->started + allowed;
    if (deadline > running->loop->now)
        return deadline;
    deadline += running->timeouts.kill_after;
    return deadline > running->loop->now ? deadline : running->loop->now + LOOP_SECOND;
}

static uint64_t earlier(uint64_t one, uint64_t other)
{
    return one == 0 || (other != 0 && other < one) ? other : one;
}

/* With --leftovers, ending what a handler has left is no reason to warn. */
static void log_signal(const struct client *client)
{
    const char *name = client->signal == SIGTERM ? "SIGTERM" : "SIGKILL";

    if (client->leftovers)
        log_info("ticket %" PRIu64 ": process %d has ended: sending %s to the rest of its group",
                 clients_ticket(client), client->process, name);
    else
        log_warning("ticket %" PRIu64 ": process %d has run for too long: sending %s to its group",
                    clients_ticket(client), client->process, name);
}

/* The timer brings the rest in the next rounds. */
static void signal_expired(struct running *running)
{
    struct client *client;

    for (int i = 0; i < SIGNALS_AT_ONCE; i++) {
        client = timeouts_next(&running->timeouts, running->loop->now);
        if (client == NULL)
            return;
        log_signal(client);
        pursue(running, client);
    }
}

void ending_useless(void *context, struct client *client, const char *why)
{
    struct running *running = context;

    if (client->signal != 0 || client->ended)
        return;
    timeouts_terminate(&running->timeouts, client, running->loop->now);
    log_info("ticket %" PRIu64 ": %s: sending SIGTERM to the group of process %d",
             clients_ticket(client), why, client->process);
    pursue(running, client);
}

/* A failure does no harm to children between clone and exec: once one of them runs, its handler is
 * signalled again. */
static void signal_all_left(struct running *running)
{
    if (running->signal != 0)
        pool_signal_left(running->pool, running->signal);
}

void ending_all(struct running *running, int signal_number)
{
    running->signal = signal_number;
    signal_all_left(running);
    ending_pursue_all(running);
}

void ending_advance(struct running *running)
{
    signal_expired(running);
    signal_expired_starts(running);
}

void ending_set_timer(struct running *running)
{
    running->expiry.deadline =
        earlier(timeouts_deadline(&running->timeouts), starts_deadline(running));
}

/* ---- adopted handlers, by their process ---- */

static uint32_t *list_of(struct running *running, pid_t process)
{
    return &running->adopted[(unsigned)process & (RUNNING_ADOPTED - 1)];
}

/* Returns the client that a list goes on with; NULL: it ends. */
static struct client *next(const struct running *running, uint32_t link)
{
    return link == 0 ? NULL : clients_with_handle(running->clients, link - 1);
}

static void enter(struct running *running, struct client *client)
{
    uint32_t *list = list_of(running, client->process);

    client->next_adopted = *list;
    *list = client->handle + 1;
}

/* Returns the place of the link to the client, or of the 0 behind the last. */
static uint32_t *place_of(struct running *running, const struct client *client)
{
    uint32_t *place = list_of(running, client->process);
    struct client *each;

    while ((each = next(running, *place)) != NULL && each != client)
        place = &each->next_adopted;
    return place;
}

/* ---- the end of a handler ---- */

/* Counts it once: the note in the record comes last, and ending_note_counted() makes up for it. */
static void report_end(const struct running *running, struct client *client, const int *status,
                       const struct usage *usage)
{
    running->events.ended(running->events.context, client, status, usage);
    stores_settle();
    client->end_counted = true;
    stores_settle();
}

static void finish(struct running *running, struct client *client, const int *status)
{
    uint32_t *place = place_of(running, client);

    if (*place != 0)
        *place = client->next_adopted;
    timeouts_end(&running->timeouts, client);
    watch_end(&running->watch, client);
    client->ended = false;
    if (running->events.may_end(running->events.context, client, status))
        clients_end(running->clients, client, CLIENT_SERVED);
    clients_rest(running->clients);
}

static void become_adopted(struct running *running, struct client *client)
{
    if (*place_of(running, client) == 0)
        enter(running, client);
    client->dispatcher = CLIENT_ADOPTED;
    client->asked = false;
}

/* Ends a client whose handler has ended, and has, or may have, left processes in its group. */
static void end(struct running *running, struct client *client, bool leftovers, const int *status,
                const struct usage *usage)
{
    clients_deal_with(running->clients, clients_ticket(client));
    report_end(running, client, status, usage);
    watch_end(&running->watch, client);
    if (leftovers && running->end_leftovers && !running->alone &&
        signal_for(running, client) == 0) {
        client->leftovers = true;
        timeouts_terminate(&running->timeouts, client, running->loop->now);
        log_signal(client);
    }
    if (signal_for(running, client) == 0 || running->alone) {
        finish(running, client, status);
        return;
    }
    client->ended = true;
    client->reaped = status != NULL;
    client->status = status == NULL ? 0 : *status;
    become_adopted(running, client);
    pursue(running, client);
    clients_rest(running->clients);
}

/* Ends a client whose worker may serve another client by now.  Sends no signal to the worker's
 * group: it would hit that client. */
static void end_finished(struct running *running, struct client *client, const int *status,
                         const struct usage *usage)
{
    clients_deal_with(running->clients, clients_ticket(client));
    report_end(running, client, status, usage);
    finish(running, client, status);
}

/* Returns false if the message contradicts itself, or says `finished` although there are no
 * workers. */
static bool is_sound(const struct running *running, const struct message_exited *message)
{
    return message->finished == 0 ||
           (message->finished == 1 && message->status == 0 && message->leftovers == 0 &&
            message->memory == 0 && message->user_time == 0 && message->system_time == 0 &&
            running->queue->options->persistent);
}

bool ending_exited(void *context, unsigned dispatcher, const struct message_exited *message)
{
    struct running *running = context;
    struct client *client =
        clients_find(running->clients, message->header.client, message->header.ticket);

    if (client == NULL || client->state != CLIENT_RUNNING || client->dispatcher != dispatcher ||
        !is_sound(running, message)) {
        clients_rest(running->clients);
        return false;
    }
    if (message->finished != 0) {
        end_finished(running, client, &message->status, &(struct usage){0});
        return true;
    }
    end(running, client, message->leftovers != 0, &message->status,
        &(struct usage){.user_time = message->user_time,
                        .system_time = message->system_time,
                        .memory = message->memory});
    return true;
}

void ending_lose_keeper(struct running *running)
{
    struct client *next = clients_first(running->clients, CLIENT_RUNNING);

    running->alone = true;
    while (next != NULL) {
        struct client *client = next;

        next = clients_next(running->clients, client);
        if (client->dispatcher != CLIENT_ADOPTED)
            continue;
        if (!client->ended)
            report_end(running, client, NULL, NULL);
        finish(running, client, client->reaped ? &client->status : NULL);
    }
}

void ending_foreign(struct running *running, struct client *client, const int *status)
{
    report_end(running, client, status, NULL);
    finish(running, client, status);
}

void ending_unknown(struct running *running, struct client *client)
{
    client->start_counted = true;
    if (running->queue->options->persistent)
        end_finished(running, client, NULL, NULL);
    else
        end(running, client, true, NULL, NULL);
}

/* ---- what dead dispatchers, and dead supervisors, leave ---- */

static void adopt(struct running *running, struct client *client)
{
    if (client->reaped) {
        end(running, client, true, &client->status, NULL);
        return;
    }
    log_debug("ticket %" PRIu64 ": adopted process %d", clients_ticket(client), client->process);
    client->signalled = 0; /* the dispatcher may not have passed the signal on */
    become_adopted(running, client);
    pursue(running, client);
}

void ending_adopt_all(void *context, unsigned dispatcher)
{
    struct running *running = context;
    struct client *after;

    for (struct client *client = clients_first(running->clients, CLIENT_RUNNING); client != NULL;
         client = after) {
        after = clients_next(running->clients, client);
        if (client->dispatcher == dispatcher)
            adopt(running, client);
    }
    signal_all_left(running);
}

void ending_note_counted(const struct running *running, uint64_t started, uint64_t ended)
{
    for (struct client *client = clients_first(running->clients, CLIENT_RUNNING); client != NULL;
         client = clients_next(running->clients, client)) {
        const uint64_t ticket = clients_ticket(client);

        client->start_counted = client->start_counted || ticket == started;
        client->end_counted = client->end_counted || ticket == ended;
    }
}

/* The supervisor that heard of the start may have been killed before it was counted. */
static void recall_start(const struct running *running, struct client *client)
{
    if (!client->start_counted)
        running->events.started(running->events.context, client);
    stores_settle();
    client->start_counted = true;
    stores_settle();
}

void ending_recall(struct running *running)
{
    struct client *next;

    for (struct client *client = clients_first(running->clients, CLIENT_RUNNING); client != NULL;
         client = next) {
        next = clients_next(running->clients, client);
        clients_deal_with(running->clients, clients_ticket(client));
        client->next_adopted = 0;
        if (client->dispatcher == CLIENT_FOREIGN)
            continue; /* the process that started its handler watches the time */
        recall_start(running, client);
        timeouts_recall(&running->timeouts, client);
        watch_begin(&running->watch, client);
        if (client->dispatcher != CLIENT_ADOPTED && !client->ended &&
            pool_knows(running->pool, client->dispatcher, client->generation)) {
            client->signalled = 0; /* the dispatcher may not have been told */
            pursue(running, client);
        } else if (client->ended) {
            become_adopted(running, client);
            pursue(running, client);
        } else {
            adopt(running, client);
        }
    }
    clients_rest(running->clients);
}

void ending_begin(struct running *running, struct client *client)
{
    stores_settle();
    client->start_counted = true; /* before `accepted` is overwritten: recall_start() */
    stores_settle();
    timeouts_begin(&running->timeouts, client);
    watch_begin(&running->watch, client);
    if (client->dispatcher == CLIENT_ADOPTED)
        adopt(running, client);
    else
        pursue(running, client);
}

/* Several clients may have one number, if the end of an earlier process was missed. */
void ending_reaped(struct running *running, pid_t process, uint32_t mark, const int *status,
                   const struct usage *usage)
{
    const struct starts_slot *start;
    struct client *client;
    struct client *after;

    for (client = next(running, *list_of(running, process)); client != NULL; client = after) {
        after = next(running, client->next_adopted);
        if (client->process == process && !client->ended &&
            (status != NULL || mark == (uint32_t)clients_ticket(client))) {
            end(running, client, true, status, usage);
            usage = NULL; /* a worker may have had several clients whose ends were never reported */
        }
    }
    start = status == NULL ? NULL : pool_ended_start(running->pool, process);
    client = start == NULL ? NULL : clients_find(running->clients, start->client, start->ticket);
    if (client == NULL)
        return;            /* a handler left it behind */
    client->reaped = true; /* it was cloned, and whether its exec succeeded is not decided yet */
    client->status = *status;
    clients_rest(running->clients);
}

void ending_group_empty(struct running *running, pid_t process)
{
    struct client *after;

    for (struct client *client = next(running, *list_of(running, process)); client != NULL;
         client = after) {
        after = next(running, client->next_adopted);
        if (client->process == process && client->ended)
            finish(running, client, client->reaped ? &client->status : NULL);
    }
}
