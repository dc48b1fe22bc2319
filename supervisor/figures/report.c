#include "supervisor/figures/report.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/address.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/wait.h>

enum { END_TEXT = 160 };

void report_listening(const struct listeners *listeners)
{
    char text[LISTENER_TEXT];
    char address[INET6_ADDRSTRLEN];

    for (size_t i = 0; i < listeners->count; i++) {
        const struct listener *each = &listeners->list[i];

        if (each->retired)
            continue;
        log_event(LOG_LEVEL_INFO, "listening",
                  LOG_FIELDS(LOG_TEXT("address", each->path != NULL
                                                     ? each->path
                                                     : address_text(&each->local, address)),
                             LOG_NUMBER("port", each->local.port)),
                  "listening on %s", listener_text(each, text));
    }
}

void report_started(const struct server *server, const struct client *client)
{
    char address[INET6_ADDRSTRLEN];
    char text[ADDRESS_DESCRIPTION];
    uint64_t waited = client->started - client->accepted;
    uint32_t queued = clients_count(&server->clients, CLIENT_QUEUED);

    if (!log_enabled(LOG_LEVEL_INFO))
        return;
    log_event(LOG_LEVEL_INFO, "started",
              LOG_FIELDS(LOG_NUMBER("ticket", clients_ticket(client)),
                         LOG_NUMBER("process", client->process),
                         LOG_TEXT("address", address_text(&client->remote, address)),
                         LOG_NUMBER("port", client->remote.port), LOG_SECONDS("waited", waited),
                         LOG_NUMBER("queued", queued)),
              "ticket %" PRIu64 ": started process %d for %s, waited %.3f s, %u waiting",
              clients_ticket(client), client->process, address_describe(&client->remote, text),
              loop_seconds(waited), queued);
}

/* A field that is there only if its value is known. */
static struct log_field known(bool is_known, const char *name, enum log_field_kind kind,
                              uint64_t value)
{
    return (struct log_field){
        .name = name,
        .kind = is_known ? kind : LOG_FIELD_NONE,
        .number = value,
    };
}

/* How it has ended, and what it used, in words. */
static void describe_end(char text[END_TEXT], const int *status, const struct report_usage *usage)
{
    int length = 0;

    if (status == NULL)
        length = snprintf(text, END_TEXT, "status unknown");
    else
        length =
            snprintf(text, END_TEXT, "%s %d", WIFSIGNALED(*status) ? "killed by signal" : "status",
                     WIFSIGNALED(*status) ? WTERMSIG(*status) : WEXITSTATUS(*status));
    if (usage != NULL)
        (void)snprintf(text + length, END_TEXT - (size_t)length,
                       ", user %.3f s, system %.3f s, memory %" PRIu64 " KiB",
                       loop_seconds(usage->user_time), loop_seconds(usage->system_time),
                       usage->memory);
}

void report_ended(const struct server *server, const struct client *client, const int *status,
                  const struct report_usage *usage)
{
    struct report_usage used = {0};
    const uint64_t ran = server->loop.now - client->started;
    const bool killed = status != NULL && WIFSIGNALED(*status);
    const bool exited = status != NULL && !killed;
    char address[INET6_ADDRSTRLEN];
    char text[ADDRESS_DESCRIPTION];
    char how[END_TEXT];

    if (!log_enabled(LOG_LEVEL_INFO))
        return;
    if (usage != NULL)
        used = *usage;
    describe_end(how, status, usage);
    log_event(
        LOG_LEVEL_INFO, "ended",
        LOG_FIELDS(
            LOG_NUMBER("ticket", clients_ticket(client)), LOG_NUMBER("process", client->process),
            LOG_TEXT("address", address_text(&client->remote, address)),
            LOG_NUMBER("port", client->remote.port), LOG_SECONDS("ran", ran),
            known(exited, "status", LOG_FIELD_NUMBER, exited ? (uint64_t)WEXITSTATUS(*status) : 0),
            known(killed, "signal", LOG_FIELD_NUMBER, killed ? (uint64_t)WTERMSIG(*status) : 0),
            known(usage != NULL, "user_time", LOG_FIELD_SECONDS, used.user_time),
            known(usage != NULL, "system_time", LOG_FIELD_SECONDS, used.system_time),
            known(usage != NULL, "memory", LOG_FIELD_NUMBER, used.memory)),
        "ticket %" PRIu64 ": ended process %d for %s, ran %.3f s, %s", clients_ticket(client),
        client->process, address_describe(&client->remote, text), loop_seconds(ran), how);
}

void report_abandoned(const struct server *server, const struct client *client)
{
    char address[INET6_ADDRSTRLEN];
    char text[ADDRESS_DESCRIPTION];
    uint64_t waited = server->loop.now - client->accepted;

    if (!log_enabled(LOG_LEVEL_INFO))
        return;
    log_event(LOG_LEVEL_INFO, "abandoned",
              LOG_FIELDS(LOG_NUMBER("ticket", clients_ticket(client)),
                         LOG_TEXT("address", address_text(&client->remote, address)),
                         LOG_NUMBER("port", client->remote.port), LOG_SECONDS("waited", waited)),
              "ticket %" PRIu64 ": given up by %s, waited %.3f s", clients_ticket(client),
              address_describe(&client->remote, text), loop_seconds(waited));
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
            log_event(LOG_LEVEL_WARNING, "refused-more",
                      LOG_FIELDS(LOG_NUMBER("count", left_out),
                                 LOG_TEXT("reason", clients_end_name((enum client_end)end))),
                      "refused %" PRIu64 " more, not logged one by one: %s", left_out,
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
    char address[INET6_ADDRSTRLEN];
    char text[ADDRESS_DESCRIPTION];

    if (limiter_allows(limiter, server->loop.now)) {
        log_event(LOG_LEVEL_WARNING, "refused",
                  LOG_FIELDS(LOG_TEXT("address", address_text(remote, address)),
                             LOG_NUMBER("port", remote->port),
                             LOG_TEXT("reason", clients_end_name((enum client_end)reason))),
                  "refused %s: %s", address_describe(remote, text), refusal_reasons[reason]);
    }
    if (server->refused_told.deadline == 0)
        server->refused_told.deadline = limiter->until;
}

void report_left_out(struct server *server)
{
    say_left_out(server, true);
}

/* ---- counts ---- */

static void add_end_fields(struct log_field *fields, const struct clients *clients)
{
    for (int end = 0; end < CLIENT_ENDS; end++)
        fields[end] = (struct log_field)LOG_NUMBER(clients_end_field((enum client_end)end),
                                                   clients->ended[end]);
}

void report_status(const struct server *server)
{
    const struct clients *clients = &server->clients;
    const uint32_t queued = clients_count(clients, CLIENT_QUEUED);
    const uint32_t starting = clients_count(clients, CLIENT_STARTING);
    const uint32_t running = clients_count(clients, CLIENT_RUNNING);
    const char *reason = admission_reason_name(server->held_back_by);
    struct log_field fields[CLIENT_ENDS + 7] = {
        LOG_NUMBER("accepted", clients->accepted),
        LOG_NUMBER("queued", queued),
        LOG_NUMBER("starting", starting),
        LOG_NUMBER("running", running),
        LOG_NUMBER("lingering", refusals_count(&server->refusals)),
        LOG_NUMBER("sources", clients_sources(clients)),
        LOG_TEXT("held_back_by", reason),
    };
    char ended[LOG_LINE_MAXIMUM / 2];
    size_t length = 0;

    add_end_fields(fields + 7, clients);
    for (int end = 0; end < CLIENT_ENDS; end++)
        length += (size_t)snprintf(ended + length, sizeof(ended) - length, "%s %" PRIu64 ", ",
                                   clients_end_name((enum client_end)end), clients->ended[end]);
    log_event(LOG_LEVEL_ANSWER, "status", fields, CLIENT_ENDS + 7,
              "status: accepted %" PRIu64 ", queued %u, starting %u, running %u, %s"
              "lingering %u, sources %u, held back by %s",
              clients->accepted, queued, starting, running, ended,
              refusals_count(&server->refusals), clients_sources(clients), reason);
}
