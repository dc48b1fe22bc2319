#include "supervisor/server/events.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/stores.h"
#include "supervisor/server/operator.h"
#include "supervisor/server/reload.h"
#include "supervisor/server/reports.h"
#include "supervisor/server/requests.h"
#include "supervisor/server/shutdown.h"
#include "supervisor/server/starting.h"

/* ---- listen/ ---- */

static bool has_room(void *context)
{
    struct server *server = context;

    if (reload_holds_clients(server) || (server->rolling && server->strays.count > 0))
        return false;
    return queue_has_room(&server->queue, 0) ||
           queue_has_room(&server->queue, starting_admission(server, 1).start);
}

static int reserve(void *context)
{
    struct server *server = context;

    return clients_reserve(&server->queue.clients);
}

static void on_accepted(void *context, int descriptor, const struct endpoint *remote)
{
    struct server *server = context;

    queue_enter(&server->queue, descriptor, remote);
}

struct accept_events events_of_acceptor(struct server *server)
{
    return (struct accept_events){
        .has_room = has_room, .reserve = reserve, .accepted = on_accepted, .context = server};
}

/* ---- queue/ ---- */

static struct report_client described(const struct client *client)
{
    return (struct report_client){
        .ticket = clients_ticket(client),
        .process = client->process,
        .remote = &client->remote,
        .foreign = client->dispatcher == CLIENT_FOREIGN,
        .signalled = client->signalled != 0,
        .counted = client->end_counted,
    };
}

static void on_abandoned(void *context, const struct client *client)
{
    const struct server *server = context;
    const struct report_client reported = described(client);

    report_abandoned(&reported, server->loop.now - client->accepted);
}

static void on_refused(void *context, const struct endpoint *remote, enum client_end reason)
{
    static const enum report_trouble refusals[CLIENT_ENDS] = {
        [CLIENT_DENIED] = REPORT_DENIED,
        [CLIENT_REFUSED_QUEUE] = REPORT_QUEUE,
        [CLIENT_REFUSED_SOURCE] = REPORT_SOURCE,
        [CLIENT_REFUSED_TIMEOUT] = REPORT_TIMEOUT,
    };
    struct server *server = context;

    report_refused(&server->lasting->report, remote, refusals[reason]);
}

static void on_cleared(void *context, uint32_t count, enum client_end end)
{
    (void)context;
    if (end == CLIENT_DROPPED && count > 0)
        log_warning("closed %u waiting connection%s", count, count == 1 ? "" : "s");
}

struct queue_events events_of_queue(struct server *server)
{
    return (struct queue_events){
        .abandoned = on_abandoned, .refused = on_refused, .cleared = on_cleared, .context = server};
}

/* ---- running/ ---- */

static void on_given(void *context)
{
    struct server *server = context;

    server->starting.permitted--;
    rate_take(&server->gates.rate);
}

static void on_returned(void *context)
{
    struct server *server = context;

    rate_return(&server->gates.rate);
}

static void on_started(void *context, const struct client *client)
{
    struct server *server = context;
    const struct report_client reported = described(client);

    server->lasting->standby.served++;
    report_started(&server->lasting->report, &reported, client->started - client->accepted,
                   clients_count(&server->queue.clients, CLIENT_QUEUED));
}

static void on_failed(void *context, uint64_t ticket, uint64_t delay)
{
    struct server *server = context;

    report_start_failed(&server->lasting->report, ticket, delay);
}

static void on_failed_alone(void *context, const struct client *client, bool closed)
{
    struct server *server = context;
    const struct report_client reported = described(client);

    report_client_failed(&server->lasting->report, &reported, client->failures, closed);
}

static void on_ended(void *context, const struct client *client, const int *status,
                     const struct usage *usage)
{
    struct server *server = context;
    const struct report_client reported = described(client);

    report_ended(&server->lasting->report, &reported, server->loop.now - client->started, status,
                 usage);
}

static bool may_end(void *context, struct client *client, const int *status)
{
    struct server *server = context;

    return handover_ended(&server->lasting->handover, client, status);
}

struct running_events events_of_running(struct server *server)
{
    return (struct running_events){
        .given = on_given,
        .returned = on_returned,
        .started = on_started,
        .failed = on_failed,
        .failed_alone = on_failed_alone,
        .ended = on_ended,
        .may_end = may_end,
        .adopt = requests_adopt,
        .signal = requests_signal,
        .await_group = requests_await_group,
        .kill = requests_kill,
        .context = server,
    };
}

/* ---- takeover/ ---- */

/* Sockets that a service manager passed have no file that the keeper would remove. */
static void on_lend(void *context, const char *path, bool lent)
{
    struct server *server = context;
    const struct link_message request = {
        .type = LINK_LEND, .index = files_find(server->files, path), .value = lent};

    if (request.index < server->files->count && !requests_send(server, &request))
        log_warning("cannot tell the keeper that %s was %s: %m; it may remove the file too early, "
                    "or not at all",
                    path, lent ? "lent" : "returned");
}

static void on_handed_over(void *context, pid_t successor)
{
    struct server *server = context;

    if (server->lasting->shutdown.stage == SERVER_SERVING)
        server->lasting->shutdown.stage = SERVER_HANDED_OVER;
    if (successor != 0) /* requests_notify() finds it, too */
        requests_notify(server, NOTIFY_SUCCESSOR, "");
    requests_retire(server);
}

static void on_foreign_ended(void *context, struct client *client, const int *status)
{
    struct server *server = context;

    ending_foreign(&server->running, client, status);
}

static void on_serves(void *context)
{
    struct server *server = context;

    server->lasting->paused = server->takeover->paused;
    operator_inherit(server);
    stores_settle();
    server->lasting->standby.begun = true;
}

static void on_link_closed(void *context)
{
    struct server *server = context;

    server->lasting->takeover_closed = true;
}

struct takeover_events events_of_takeover(struct server *server)
{
    return (struct takeover_events){
        .lend = on_lend,
        .handed_over = on_handed_over,
        .end_handlers = shutdown_end,
        .ended = on_foreign_ended,
        .closed = on_link_closed,
        .serves = on_serves,
        .is_to_end = reports_end_early,
        .process = server->keeper,
        .context = server,
    };
}
