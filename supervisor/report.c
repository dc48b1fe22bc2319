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
             client->entry.ticket, client->process, address_text(&client->remote, text),
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
             client->entry.ticket, client->process, address_text(&client->remote, text),
             client->remote.port, seconds(server->loop.now - client->started), how, used);
}

void report_status(const struct server *server)
{
    const struct clients *clients = &server->clients;

    log_answer("status: accepted %" PRIu64 ", queued %u, starting %u, running %u, served %" PRIu64
               ", dropped %" PRIu64 ", held back by %s",
               clients->accepted, clients_count(clients, CLIENT_QUEUED),
               clients_count(clients, CLIENT_STARTING), clients_count(clients, CLIENT_RUNNING),
               clients->ended[CLIENT_SERVED], clients->ended[CLIENT_DROPPED],
               admission_reason_name(server->held_back_by));
}
