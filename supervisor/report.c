#include "supervisor/report.h"

#include "dispatcher/log.h"
#include "supervisor/address.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/wait.h>

static double seconds(uint64_t microseconds)
{
    return (double)microseconds / LOOP_SECOND;
}

void report_listening(const struct listeners *listeners)
{
    char text[INET6_ADDRSTRLEN];

    for (size_t i = 0; i < listeners->count; i++)
        log_info("listening on %s port %u", address_text(&listeners->list[i].local, text),
                 listeners->list[i].local.port);
}

void report_started(const struct server *server, const struct client *client)
{
    char text[INET6_ADDRSTRLEN];

    if (!log_enabled(LOG_LEVEL_INFO))
        return;
    log_info("ticket %" PRIu64 ": started process %d for %s port %u, waited %.3f s, %u waiting",
             clients_ticket(client), client->process, address_text(&client->remote, text),
             client->remote.port, seconds(client->started - client->accepted),
             clients_count(&server->clients, CLIENT_QUEUED));
}

void report_ended(const struct server *server, const struct client *client, const int *status,
                  const struct report_usage *usage)
{
    char text[INET6_ADDRSTRLEN];
    char how[40] = "status unknown";
    char used[80] = "";

    if (!log_enabled(LOG_LEVEL_INFO))
        return;
    if (status != NULL)
        (void)snprintf(how, sizeof(how), "%s %d",
                       WIFSIGNALED(*status) ? "killed by signal" : "status",
                       WIFSIGNALED(*status) ? WTERMSIG(*status) : WEXITSTATUS(*status));
    if (usage != NULL)
        (void)snprintf(used, sizeof(used), ", user %.3f s, system %.3f s, memory %" PRIu64 " KiB",
                       seconds(usage->user_time), seconds(usage->system_time), usage->memory);
    log_info("ticket %" PRIu64 ": ended process %d for %s port %u, ran %.3f s, %s%s",
             clients_ticket(client), client->process, address_text(&client->remote, text),
             client->remote.port, seconds(server->loop.now - client->started), how, used);
}

void report_abandoned(const struct server *server, const struct client *client)
{
    char text[INET6_ADDRSTRLEN];

    if (!log_enabled(LOG_LEVEL_INFO))
        return;
    log_info("ticket %" PRIu64 ": given up by %s port %u, waited %.3f s", clients_ticket(client),
             address_text(&client->remote, text), client->remote.port,
             seconds(server->loop.now - client->accepted));
}

/* ---- refusals ---- */

static const char *const refusal_reasons[CLIENT_ENDS] = {
    [CLIENT_DENIED] = "denied by the access rules",
    [CLIENT_REFUSED_QUEUE] = "the queue is full",
    [CLIENT_REFUSED_SOURCE] = "too many of its source wait",
    [CLIENT_REFUSED_TIMEOUT] = "it has waited too long",
};

static void say_left_out(struct server *server, bool at_once)
{
    uint64_t next = 0;

    for (int end = 0; end < CLIENT_ENDS; end++) {
        struct limiter *limiter = &server->refused[end];
        uint64_t left_out = limiter_end(limiter, server->loop.now, at_once);

        if (left_out > 0)
            log_warning("refused %" PRIu64 " more, not logged one by one: %s", left_out,
                        refusal_reasons[end]);
        if (limiter->until != 0 && (next == 0 || limiter->until < next))
            next = limiter->until;
    }
    server->refused_told.deadline = next;
}

static void on_refused_told(void *context)
{
    say_left_out(context, false);
}

void report_open(struct server *server)
{
    server->refused_told = (struct loop_timer){.expired = on_refused_told, .context = server};
    loop_add_timer(&server->loop, &server->refused_told);
}

void report_refused(struct server *server, const struct endpoint *remote, enum client_end reason)
{
    struct limiter *limiter = &server->refused[reason];
    char text[INET6_ADDRSTRLEN];

    if (limiter_allows(limiter, server->loop.now))
        log_warning("refused %s port %u: %s", address_text(remote, text), remote->port,
                    refusal_reasons[reason]);
    if (server->refused_told.deadline == 0)
        server->refused_told.deadline = limiter->until;
}

void report_left_out(struct server *server)
{
    say_left_out(server, true);
}

/* ---- counts ---- */

static const char *const end_names[CLIENT_ENDS] = {
    [CLIENT_SERVED] = "served",
    [CLIENT_ABANDONED] = "abandoned",
    [CLIENT_DENIED] = "denied",
    [CLIENT_REFUSED_QUEUE] = "refused-queue",
    [CLIENT_REFUSED_SOURCE] = "refused-source",
    [CLIENT_REFUSED_TIMEOUT] = "refused-timeout",
    [CLIENT_DROPPED] = "dropped",
};

void report_status(const struct server *server)
{
    const struct clients *clients = &server->clients;
    char ended[LOG_LINE_MAXIMUM / 2];
    size_t length = 0;

    for (int end = 0; end < CLIENT_ENDS; end++)
        length += (size_t)snprintf(ended + length, sizeof(ended) - length, "%s %" PRIu64 ", ",
                                   end_names[end], clients->ended[end]);
    log_answer("status: accepted %" PRIu64 ", queued %u, starting %u, running %u, %s"
               "lingering %u, sources %u, held back by %s",
               clients->accepted, clients_count(clients, CLIENT_QUEUED),
               clients_count(clients, CLIENT_STARTING), clients_count(clients, CLIENT_RUNNING),
               ended, refusals_count(&server->refusals), clients_sources(clients),
               admission_reason_name(server->held_back_by));
}
