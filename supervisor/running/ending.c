#include "supervisor/running/ending.h"

#include "dispatcher/shared/log.h"
#include "supervisor/figures/report.h"
#include "supervisor/running/signalling.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/wait.h>

static void finish(struct server *server, struct client *client, const int *status)
{
    timeouts_end(&server->timeouts, client);
    if (client->ended)
        server->groups_left--;
    client->ended = false;
    if (handover_ended(server, client, status))
        clients_end(&server->clients, client, CLIENT_SERVED);
}

/* Its handler has ended.  If that was told to, it keeps its place until all of its group has. */
static void ended(struct server *server, struct client *client, const int *status,
                  const struct report_usage *usage)
{
    report_ended(server, client, status, usage);
    if (status != NULL)
        trouble_ended(&server->trouble, client, *status);
    statistics_ended(&server->statistics, server->loop.now - client->started, status);
    if (!signalling_is_due(server, client) || !signalling_group_is_left(server, client)) {
        finish(server, client, status);
        return;
    }
    client->ended = true;
    client->reaped = status != NULL;
    client->status = status == NULL ? 0 : *status;
    client->dispatcher = CLIENT_ADOPTED; /* as what is left is ours */
    server->groups_left++;
}

/* Looks whether groups of which something was left are gone by now. */
static void finish_groups(struct server *server)
{
    struct client *next;

    if (server->groups_left == 0)
        return;
    for (struct client *client = clients_first(&server->clients, CLIENT_RUNNING); client != NULL;
         client = next) {
        next = clients_next(&server->clients, client);
        if (client->ended && !signalling_group_is_left(server, client))
            finish(server, client, client->reaped ? &client->status : NULL);
    }
}

bool ending_exited(struct server *server, unsigned dispatcher, const struct message_exited *message)
{
    struct client *client =
        clients_find(&server->clients, message->header.client, message->header.ticket);

    if (client == NULL || client->state != CLIENT_RUNNING || client->dispatcher != dispatcher)
        return false;
    ended(server, client, &message->status,
          &(struct report_usage){.user_time = message->user_time,
                                 .system_time = message->system_time,
                                 .memory = message->memory});
    return true;
}

void ending_foreign(struct server *server, struct client *client, const int *status)
{
    log_debug("ticket %" PRIu64 ": ended, says the process before this one",
              clients_ticket(client));
    statistics_ended(&server->statistics, server->loop.now - client->started, status);
    finish(server, client, status);
}

/* ---- children of ours ---- */

void ending_adopt(struct server *server, struct client *client)
{
    siginfo_t information;

    if (!client->reaped && !pool_has_process(&server->pool, client->process) &&
        waitid(P_PID, (id_t)client->process, &information, WEXITED | WNOHANG | WNOWAIT) == 0) {
        client->dispatcher = CLIENT_ADOPTED;
        client->signalled = 0; /* whether it was passed on is not known */
        log_debug("ticket %" PRIu64 ": adopted process %d", clients_ticket(client),
                  client->process);
        signalling_look(server, client);
        return;
    }
    ended(server, client, client->reaped ? &client->status : NULL, NULL);
}

void ending_adopt_all(struct server *server, unsigned dispatcher)
{
    struct client *next;

    for (struct client *client = clients_first(&server->clients, CLIENT_RUNNING); client != NULL;
         client = next) {
        next = clients_next(&server->clients, client);
        if (client->dispatcher == dispatcher)
            ending_adopt(server, client);
    }
}

bool ending_is_awaited(const struct server *server, pid_t process)
{
    for (const struct client *client = clients_first(&server->clients, CLIENT_RUNNING);
         client != NULL; client = clients_next(&server->clients, client))
        if (client->process == process)
            return true;
    return false;
}

static uint64_t microseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * LOOP_SECOND + (uint64_t)time.tv_usec;
}

/* A process that we have reaped was the handler of this client, unless a dispatcher has lied. */
static void handler_reaped(struct server *server, struct client *client, int status,
                           const struct rusage *usage)
{
    if (client->state == CLIENT_RUNNING && client->dispatcher == CLIENT_ADOPTED) {
        if (!client->ended)
            ended(server, client, &status,
                  &(struct report_usage){.user_time = microseconds(usage->ru_utime),
                                         .system_time = microseconds(usage->ru_stime),
                                         .memory = (uint64_t)usage->ru_maxrss});
    } else {
        /* Its dispatcher must be dying, and when all is heard its end settles this. */
        client->reaped = true;
        client->status = status;
    }
}

static void reaped(struct server *server, pid_t process, int status, const struct rusage *usage)
{
    struct client *next;
    uint32_t handle;
    uint64_t ticket;
    bool known = false;

    if (pool_reaped(&server->pool, process, status) || janitor_reaped(server->janitor, process))
        return;
    for (struct client *client = clients_first(&server->clients, CLIENT_RUNNING); client != NULL;
         client = next) {
        next = clients_next(&server->clients, client);
        if (client->process != process)
            continue;
        known = true;
        handler_reaped(server, client, status, usage);
    }
    if (!known && pool_reaped_start(&server->pool, process, &handle, &ticket))
        handler_reaped(server, clients_find(&server->clients, handle, ticket), status, usage);
    else if (!known)
        log_debug("reaped process %d, which a handler left behind", process);
}

void ending_reap(struct server *server)
{
    pool_reap(&server->pool);
    server->reaping_held = pool_is_signalling(&server->pool);
    while (!server->reaping_held) {
        struct rusage usage;
        int status;
        pid_t process = wait4(-1, &status, WNOHANG, &usage);

        if (process > 0)
            reaped(server, process, status, &usage);
        else if (process == 0 || errno == ECHILD)
            break;
        else if (errno != EINTR)
            log_bug("wait4: %m");
        /* The end of one may have had another signalled. */
        server->reaping_held = pool_is_signalling(&server->pool);
    }
    finish_groups(server);
}
