#include "supervisor/running/running.h"

#include "dispatcher/shared/log.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>

enum {
    SIGNAL_CROWDED = 10 * LOOP_MILLISECOND, /* until a dispatcher may have read its socket */
    SIGNAL_ABSENT = 100 * LOOP_MILLISECOND  /* until there may be a dispatcher */
};

/* ---- signals ---- */

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

/* Sends the client's handler its signal, once. */
static void signal_handler(struct running *running, struct client *client)
{
    int signal_number = signal_for(running, client);
    const struct message_header header = {.client = client->handle,
                                          .ticket = clients_ticket(client)};

    if (client->signalled == signal_number || client->dispatcher == CLIENT_FOREIGN)
        return;
    if (pool_signal(running->pool, client->dispatcher, &header, client->process, signal_number) ==
        0)
        client->signalled = (uint8_t)signal_number;
    else if (errno != ESRCH || client->dispatcher == CLIENT_ADOPTED)
        owe(running, errno == ESRCH ? SIGNAL_ABSENT : SIGNAL_CROWDED);
    /* Otherwise the dispatcher is dying: the handler is adopted, and signalled then. */
}

void ending_signal_all(void *context)
{
    struct running *running = context;

    running->owed.deadline = 0;
    for (struct client *client = clients_first(running->clients, CLIENT_RUNNING); client != NULL;
         client = clients_next(running->clients, client))
        signal_handler(running, client);
}

/* A failure does no harm: the exec of these processes has not come back, and if it does, the
 * handlers are signalled again. */
static void signal_all_left(struct running *running)
{
    if (running->signal != 0)
        pool_signal_left(running->pool, running->signal);
}

/* A dispatcher died that was to signal adopted handlers, and may not have done so. */
static void repeat_signals(struct running *running)
{
    running->pool->unsignalled = false;
    for (struct client *client = clients_first(running->clients, CLIENT_RUNNING); client != NULL;
         client = clients_next(running->clients, client))
        if (client->dispatcher == CLIENT_ADOPTED && client->signalled != 0) {
            client->signalled = 0; /* twice is better than never */
            signal_handler(running, client);
        }
    signal_all_left(running);
}

static void signal_expired(struct running *running)
{
    struct client *client;

    while ((client = timeouts_next(&running->timeouts, running->loop->now)) != NULL) {
        log_warning("ticket %" PRIu64 ": process %d has run for too long: sending %s to its group",
                    clients_ticket(client), client->process,
                    client->signal == SIGTERM ? "SIGTERM" : "SIGKILL");
        signal_handler(running, client);
    }
}

void ending_all(struct running *running, int signal_number)
{
    running->signal = signal_number;
    signal_all_left(running);
    ending_signal_all(running);
}

void ending_advance(struct running *running)
{
    if (running->pool->unsignalled)
        repeat_signals(running);
    if (running->reaping_held && !pool_is_signalling(running->pool))
        ending_reap(running);
    signal_expired(running);
    running->expiry.deadline = timeouts_deadline(&running->timeouts);
}

/* ---- the end of a handler ---- */

/* Returns true if processes are left of the group of a handler that has ended.  They are our
 * children by now.  A process with a living parent outside of the group cannot be seen. */
static bool is_group_left(const struct running *running, const struct client *client)
{
    siginfo_t information;

    return dispatcher_find(running->pool, client->process) == NULL &&
           waitid(P_PGID, (id_t)client->process, &information, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void finish(struct running *running, struct client *client, const int *status)
{
    timeouts_end(&running->timeouts, client);
    running->groups_left -= client->ended;
    client->ended = false;
    if (running->events.may_end(running->events.context, client, status))
        clients_end(running->clients, client, CLIENT_SERVED);
}

static void end(struct running *running, struct client *client, const int *status,
                const struct usage *usage)
{
    running->events.ended(running->events.context, client, status, usage);
    if (signal_for(running, client) == 0 || !is_group_left(running, client)) {
        finish(running, client, status);
        return;
    }
    running->groups_left++;
    client->ended = true;
    client->reaped = status != NULL;
    client->status = status == NULL ? 0 : *status;
    client->dispatcher = CLIENT_ADOPTED; /* the rest of its group are our children */
}

/* Ends the clients whose group has become empty. */
static void finish_groups(struct running *running)
{
    struct client *next;

    for (struct client *client = clients_first(running->clients, CLIENT_RUNNING);
         client != NULL && running->groups_left > 0; client = next) {
        next = clients_next(running->clients, client);
        if (client->ended && !is_group_left(running, client))
            finish(running, client, client->reaped ? &client->status : NULL);
    }
}

bool ending_exited(void *context, unsigned dispatcher, const struct message_exited *message)
{
    struct running *running = context;
    struct client *client =
        clients_find(running->clients, message->header.client, message->header.ticket);

    if (client == NULL || client->state != CLIENT_RUNNING || client->dispatcher != dispatcher)
        return false;
    end(running, client, &message->status,
        &(struct usage){.user_time = message->user_time,
                        .system_time = message->system_time,
                        .memory = message->memory});
    return true;
}

void ending_foreign(struct running *running, struct client *client, const int *status)
{
    running->events.ended(running->events.context, client, status, NULL);
    finish(running, client, status);
}

/* ---- our children ---- */

static void adopt(struct running *running, struct client *client)
{
    siginfo_t information;

    if (!client->reaped && dispatcher_find(running->pool, client->process) == NULL &&
        waitid(P_PID, (id_t)client->process, &information, WEXITED | WNOHANG | WNOWAIT) == 0) {
        client->dispatcher = CLIENT_ADOPTED;
        client->signalled = 0; /* the dispatcher may not have passed the signal on */
        log_debug("ticket %" PRIu64 ": adopted process %d", clients_ticket(client),
                  client->process);
        signal_handler(running, client);
        return;
    }
    end(running, client, client->reaped ? &client->status : NULL, NULL);
}

void ending_adopt_all(void *context, unsigned dispatcher)
{
    struct running *running = context;
    struct client *next;

    for (struct client *client = clients_first(running->clients, CLIENT_RUNNING); client != NULL;
         client = next) {
        next = clients_next(running->clients, client);
        if (client->dispatcher == dispatcher)
            adopt(running, client);
    }
    signal_all_left(running);
}

void ending_begin(struct running *running, struct client *client)
{
    timeouts_begin(&running->timeouts, client);
    if (client->dispatcher == CLIENT_ADOPTED)
        adopt(running, client);
    else
        signal_handler(running, client);
}

bool ending_is_handler(void *context, pid_t process)
{
    const struct running *running = context;

    for (const struct client *client = clients_first(running->clients, CLIENT_RUNNING);
         client != NULL; client = clients_next(running->clients, client))
        if (client->process == process)
            return true;
    return false;
}

static uint64_t microseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * LOOP_SECOND + (uint64_t)time.tv_usec;
}

static void handler_reaped(struct running *running, struct client *client, int status,
                           const struct rusage *usage)
{
    if (client->state != CLIENT_RUNNING || client->dispatcher != CLIENT_ADOPTED) {
        /* Its dispatcher must be dying, unless it has lied: when all is heard, its end settles
         * this. */
        client->reaped = true;
        client->status = status;
    } else if (!client->ended) {
        end(running, client, &status,
            &(struct usage){.user_time = microseconds(usage->ru_utime),
                            .system_time = microseconds(usage->ru_stime),
                            .memory = (uint64_t)usage->ru_maxrss});
    }
}

static void reaped(struct running *running, pid_t process, int status, const struct rusage *usage)
{
    struct client *next;
    const struct starts_slot *start;
    bool known = false;

    if (pool_reaped(running->pool, process, status) ||
        running->events.reaped(running->events.context, process))
        return;
    for (struct client *client = clients_first(running->clients, CLIENT_RUNNING); client != NULL;
         client = next) {
        next = clients_next(running->clients, client);
        if (client->process != process)
            continue;
        known = true;
        handler_reaped(running, client, status, usage);
    }
    if (known)
        return;
    start = pool_reaped_start(running->pool, process);
    if (start != NULL)
        handler_reaped(running, clients_find(running->clients, start->client, start->ticket),
                       status, usage);
    else
        log_debug("reaped process %d, which a handler left behind", process);
}

void ending_reap(struct running *running)
{
    pool_reap(running->pool);
    running->reaping_held = pool_is_signalling(running->pool);
    while (!running->reaping_held) {
        struct rusage usage;
        int status;
        pid_t process = wait4(-1, &status, WNOHANG, &usage);

        if (process > 0)
            reaped(running, process, status, &usage);
        else if (process == 0 || errno == ECHILD)
            break;
        else if (errno != EINTR)
            log_bug("wait4: %m");
        /* The end of one child may have had another signalled. */
        running->reaping_held = pool_is_signalling(running->pool);
    }
    finish_groups(running);
}
