#include "supervisor/running/ending.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>

enum {
    SIGNAL_CROWDED = 10 * LOOP_MILLISECOND, /* until a dispatcher may have read its socket */
    SIGNAL_ABSENT = 100 * LOOP_MILLISECOND  /* until there may be a dispatcher */
};

/* ---- signals ---- */

static int stronger(int one, int other)
{
    return one == SIGKILL || other == 0 ? one : other;
}

/* Asks the dispatcher whose child the process is; any dispatcher, if the process is our child.
 * Returns 0, or -1 with errno. */
static int ask(struct ending *ending, int32_t process, int signal_number,
               const struct client *client)
{
    bool adopted = client == NULL || client->dispatcher == CLIENT_ADOPTED;
    union message message;

    wire_header(&message, MESSAGE_SIGNAL, client == NULL ? 0 : client->handle,
                client == NULL ? 0 : clients_ticket(client));
    message.signal.process = process;
    message.signal.signal = signal_number;
    message.signal.adopted = adopted;
    return adopted ? pool_ask_any(ending->pool, &message)
                   : pool_ask(ending->pool, client->dispatcher, &message);
}

/* An earlier debt stays. */
static void owe(struct ending *ending, uint64_t delay)
{
    uint64_t then = ending->loop->now + delay;

    if (ending->owed.deadline == 0 || then < ending->owed.deadline)
        ending->owed.deadline = then;
}

/* Sends the client's handler the stronger of its own signal and that of the service's end, once. */
static void signal_handler(struct ending *ending, struct client *client)
{
    int signal_number = stronger(client->signal, ending->signal);

    if (client->signalled == signal_number || client->dispatcher == CLIENT_FOREIGN)
        return;
    if (ask(ending, client->process, signal_number, client) == 0)
        client->signalled = (uint8_t)signal_number;
    else if (errno != ESRCH || client->dispatcher == CLIENT_ADOPTED)
        owe(ending, errno == ESRCH ? SIGNAL_ABSENT : SIGNAL_CROWDED);
    /* Otherwise the dispatcher is dying: the handler is adopted, and signalled then. */
}

static bool is_told_to_end(const struct ending *ending, const struct client *client)
{
    return client->signal != 0 || ending->signal != 0;
}

static void signal_all(void *context)
{
    struct ending *ending = context;

    ending->owed.deadline = 0;
    for (struct client *client = clients_first(ending->clients, CLIENT_RUNNING); client != NULL;
         client = clients_next(ending->clients, client))
        signal_handler(ending, client);
}

/* A failure does no harm: the exec of this process has not come back, and if it does, the handler
 * is signalled again. */
static void signal_left(void *context, pid_t process)
{
    struct ending *ending = context;

    (void)ask(ending, process, ending->signal, NULL);
}

/* Signals the children of dead dispatchers whose exec has not come back. */
static void signal_all_left(struct ending *ending)
{
    if (ending->signal != 0)
        pool_each_left(ending->pool, signal_left, ending);
}

/* A dispatcher died that was to signal adopted handlers, and may not have done so. */
static void repeat_signals(struct ending *ending)
{
    ending->unsignalled = false;
    for (struct client *client = clients_first(ending->clients, CLIENT_RUNNING); client != NULL;
         client = clients_next(ending->clients, client))
        if (client->dispatcher == CLIENT_ADOPTED && client->signalled != 0) {
            client->signalled = 0; /* twice is better than never */
            signal_handler(ending, client);
        }
    signal_all_left(ending);
}

static void signal_expired(struct ending *ending)
{
    struct client *client;

    while ((client = timeouts_next(&ending->timeouts, ending->loop->now)) != NULL) {
        log_warning("ticket %" PRIu64 ": process %d has run for too long: sending %s to its group",
                    clients_ticket(client), client->process,
                    client->signal == SIGTERM ? "SIGTERM" : "SIGKILL");
        signal_handler(ending, client);
    }
}

void ending_open(struct ending *ending, struct loop *loop, const struct options *options,
                 struct clients *clients, struct pool *pool, const struct running_events *events)
{
    *ending = (struct ending){
        .loop = loop,
        .clients = clients,
        .pool = pool,
        .events = events,
        .owed = {.expired = signal_all, .context = ending},
    };
    timeouts_open(&ending->timeouts, options->timeout, options->kill_after);
    loop_add_timer(loop, &ending->owed);
    loop_add_timer(loop, &ending->expiry);
}

void ending_all(struct ending *ending, int signal_number)
{
    ending->signal = signal_number;
    signal_all_left(ending);
    signal_all(ending);
}

void ending_advance(struct ending *ending)
{
    if (ending->unsignalled)
        repeat_signals(ending);
    if (ending->reaping_held && !pool_is_signalling(ending->pool))
        ending_reap(ending);
    signal_expired(ending);
    ending->expiry.deadline = timeouts_deadline(&ending->timeouts);
}

/* ---- the end of a handler ---- */

/* Whether processes are left of the group of a handler that has ended.  They are our children by
 * now.  A process with a living parent outside of the group cannot be seen. */
static bool is_group_left(const struct ending *ending, const struct client *client)
{
    siginfo_t information;

    return !pool_has_process(ending->pool, client->process) &&
           waitid(P_PGID, (id_t)client->process, &information, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void finish(struct ending *ending, struct client *client, const int *status)
{
    timeouts_end(&ending->timeouts, client);
    if (client->ended)
        ending->groups_left--;
    client->ended = false;
    if (ending->events->may_end(ending->events->context, client, status))
        clients_end(ending->clients, client, CLIENT_SERVED);
}

static void end(struct ending *ending, struct client *client, const int *status,
                const struct usage *usage)
{
    ending->events->ended(ending->events->context, client, status, usage);
    if (!is_told_to_end(ending, client) || !is_group_left(ending, client)) {
        finish(ending, client, status);
        return;
    }
    client->ended = true;
    client->reaped = status != NULL;
    client->status = status == NULL ? 0 : *status;
    client->dispatcher = CLIENT_ADOPTED; /* the rest of its group are our children */
    ending->groups_left++;
}

/* Ends the clients whose group has become empty. */
static void finish_groups(struct ending *ending)
{
    struct client *next;

    if (ending->groups_left == 0)
        return;
    for (struct client *client = clients_first(ending->clients, CLIENT_RUNNING); client != NULL;
         client = next) {
        next = clients_next(ending->clients, client);
        if (client->ended && !is_group_left(ending, client))
            finish(ending, client, client->reaped ? &client->status : NULL);
    }
}

bool ending_exited(struct ending *ending, unsigned dispatcher, const struct message_exited *message)
{
    struct client *client =
        clients_find(ending->clients, message->header.client, message->header.ticket);

    if (client == NULL || client->state != CLIENT_RUNNING || client->dispatcher != dispatcher)
        return false;
    end(ending, client, &message->status,
        &(struct usage){.user_time = message->user_time,
                        .system_time = message->system_time,
                        .memory = message->memory});
    return true;
}

void ending_foreign(struct ending *ending, struct client *client, const int *status)
{
    ending->events->ended(ending->events->context, client, status, NULL);
    finish(ending, client, status);
}

/* ---- our children ---- */

static void adopt(struct ending *ending, struct client *client)
{
    siginfo_t information;

    if (!client->reaped && !pool_has_process(ending->pool, client->process) &&
        waitid(P_PID, (id_t)client->process, &information, WEXITED | WNOHANG | WNOWAIT) == 0) {
        client->dispatcher = CLIENT_ADOPTED;
        client->signalled = 0; /* the dispatcher may not have passed the signal on */
        log_debug("ticket %" PRIu64 ": adopted process %d", clients_ticket(client),
                  client->process);
        signal_handler(ending, client);
        return;
    }
    end(ending, client, client->reaped ? &client->status : NULL, NULL);
}

void ending_adopt_all(struct ending *ending, unsigned dispatcher)
{
    struct client *next;

    for (struct client *client = clients_first(ending->clients, CLIENT_RUNNING); client != NULL;
         client = next) {
        next = clients_next(ending->clients, client);
        if (client->dispatcher == dispatcher)
            adopt(ending, client);
    }
    signal_all_left(ending);
}

void ending_begin(struct ending *ending, struct client *client)
{
    timeouts_begin(&ending->timeouts, client);
    if (client->dispatcher == CLIENT_ADOPTED)
        adopt(ending, client);
    else
        signal_handler(ending, client);
}

bool ending_is_handler(const struct ending *ending, pid_t process)
{
    for (const struct client *client = clients_first(ending->clients, CLIENT_RUNNING);
         client != NULL; client = clients_next(ending->clients, client))
        if (client->process == process)
            return true;
    return false;
}

static uint64_t microseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * LOOP_SECOND + (uint64_t)time.tv_usec;
}

static void handler_reaped(struct ending *ending, struct client *client, int status,
                           const struct rusage *usage)
{
    if (client->state != CLIENT_RUNNING || client->dispatcher != CLIENT_ADOPTED) {
        /* Its dispatcher must be dying, unless it has lied: when all is heard, its end settles
         * this. */
        client->reaped = true;
        client->status = status;
    } else if (!client->ended) {
        end(ending, client, &status,
            &(struct usage){.user_time = microseconds(usage->ru_utime),
                            .system_time = microseconds(usage->ru_stime),
                            .memory = (uint64_t)usage->ru_maxrss});
    }
}

static void reaped(struct ending *ending, pid_t process, int status, const struct rusage *usage)
{
    struct client *next;
    uint32_t handle;
    uint64_t ticket;
    bool known = false;

    if (pool_reaped(ending->pool, process, status) ||
        ending->events->reaped(ending->events->context, process))
        return;
    for (struct client *client = clients_first(ending->clients, CLIENT_RUNNING); client != NULL;
         client = next) {
        next = clients_next(ending->clients, client);
        if (client->process != process)
            continue;
        known = true;
        handler_reaped(ending, client, status, usage);
    }
    if (!known && pool_reaped_start(ending->pool, process, &handle, &ticket))
        handler_reaped(ending, clients_find(ending->clients, handle, ticket), status, usage);
    else if (!known)
        log_debug("reaped process %d, which a handler left behind", process);
}

void ending_reap(struct ending *ending)
{
    pool_reap(ending->pool);
    ending->reaping_held = pool_is_signalling(ending->pool);
    while (!ending->reaping_held) {
        struct rusage usage;
        int status;
        pid_t process = wait4(-1, &status, WNOHANG, &usage);

        if (process > 0)
            reaped(ending, process, status, &usage);
        else if (process == 0 || errno == ECHILD)
            break;
        else if (errno != EINTR)
            log_bug("wait4: %m");
        /* The end of one child may have had another signalled. */
        ending->reaping_held = pool_is_signalling(ending->pool);
    }
    finish_groups(ending);
}
