#include "supervisor/figures/metrics.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/address.h"
#include "supervisor/figures/status.h"
#include "supervisor/listen/listener.h"

#include <inttypes.h>
#include <string.h>

/* ---- the format ---- */

static void begin(struct text *text, const char *name, const char *type, const char *help)
{
    text_add(text, "# HELP dampener_%s %s\n# TYPE dampener_%s %s\n", name, help, name, type);
}

static void add_gauge(struct text *text, const char *name, const char *help, double value)
{
    begin(text, name, "gauge", help);
    text_add(text, "dampener_%s %.15g\n", name, value);
}

static void add_counter(struct text *text, const char *name, const char *help, uint64_t value)
{
    begin(text, name, "counter", help);
    text_add(text, "dampener_%s %" PRIu64 "\n", name, value);
}

/* One of a metric whose samples differ by a label.  Values of labels are words of ours, and need no
 * escapes. */
static void add_labelled(struct text *text, const char *name, const char *label, const char *value,
                         uint64_t number)
{
    text_add(text, "dampener_%s{%s=\"%s\"} %" PRIu64 "\n", name, label, value, number);
}

static void add_histogram(struct text *text, const char *name, const char *help,
                          const struct histogram *histogram)
{
    uint64_t sum = 0;

    begin(text, name, "histogram", help);
    for (int i = 0; i < HISTOGRAM_BOUNDS; i++) {
        sum += histogram->counts[i];
        text_add(text, "dampener_%s_bucket{le=\"%.10g\"} %" PRIu64 "\n", name,
                 loop_seconds(histogram_bounds[i]), sum);
    }
    text_add(text, "dampener_%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, histogram->count);
    text_add(text, "dampener_%s_sum %.15g\n", name, loop_seconds(histogram->sum));
    text_add(text, "dampener_%s_count %" PRIu64 "\n", name, histogram->count);
}

static void add_limit(struct text *text, const char *name, const char *help, bool given,
                      double limit)
{
    begin(text, name, "gauge", help);
    if (given)
        text_add(text, "dampener_%s %.15g\n", name, limit);
    else
        text_add(text, "dampener_%s +Inf\n", name);
}

/* ---- what there is ---- */

static void add_process(const struct server *server, struct text *text)
{
    const char *now = status_state(server);

    begin(text, "build_info", "gauge", "The version of the daemon, as a label.");
    text_add(text, "dampener_build_info{version=\"%s\"} 1\n", VERSION);
    begin(text, "start_time_seconds", "gauge", "When it began to serve, since 1970.");
    text_add(text, "dampener_start_time_seconds %" PRId64 "\n", server->began_at);
    begin(text, "state", "gauge", "What the service does now: 1 for that, 0 for the others.");
    for (int i = 0; i < STATUS_STATES; i++)
        add_labelled(text, "state", "state", status_states[i], status_states[i] == now);
    add_gauge(text, "descriptors_used", "Descriptors that the supervisor has open.",
              status_descriptors(server));
    add_gauge(text, "descriptors_limit", "Descriptors that it may have open.",
              server->descriptors_allowed);
    add_counter(text, "log_lines_dropped_total",
                "Lines of the log that standard error did not take at once.", log_dropped());
}

/* Whether somebody tries to steer who may not. */
static void add_strangers(const struct server *server, struct text *text)
{
    add_counter(text, "control_refused_total",
                "Connections to the control socket by users who may not use it.",
                server->control == NULL ? 0 : server->control->refused);
}

static void add_ends(const struct server *server, struct text *text)
{
    const struct clients *clients = &server->queue.clients;

    begin(text, "connections_ended_total", "counter",
          "Accepted connections that are over, by how they ended.");
    for (int end = 0; end < CLIENT_ENDS; end++)
        add_labelled(text, "connections_ended_total", "how", clients_end_name((enum client_end)end),
                     clients->ended[end]);
    begin(text, "connections_refused_total", "counter",
          "Of these, the ones that were refused, by reason.");
    add_labelled(text, "connections_refused_total", "reason", "denied",
                 clients->ended[CLIENT_DENIED]);
    add_labelled(text, "connections_refused_total", "reason", "queue",
                 clients->ended[CLIENT_REFUSED_QUEUE]);
    add_labelled(text, "connections_refused_total", "reason", "source",
                 clients->ended[CLIENT_REFUSED_SOURCE]);
    add_labelled(text, "connections_refused_total", "reason", "timeout",
                 clients->ended[CLIENT_REFUSED_TIMEOUT]);
}

static void add_clients(const struct server *server, struct text *text)
{
    const struct clients *clients = &server->queue.clients;
    const struct client *oldest = clients_first(clients, CLIENT_QUEUED);

    add_counter(text, "connections_accepted_total", "Connections that were accepted.",
                clients->accepted);
    add_gauge(text, "connections_queued", "Clients that wait for a handler.",
              clients_count(clients, CLIENT_QUEUED));
    add_gauge(text, "connections_queued_limit", "How many of these there may be.",
              server->queue.maximum);
    add_gauge(text, "handlers_starting", "Clients whose handler is being started.",
              clients_count(clients, CLIENT_STARTING));
    add_gauge(text, "handlers_running", "Clients whose handler runs.",
              clients_count(clients, CLIENT_RUNNING));
    add_limit(text, "handlers_limit", "How many handlers there may be, starting and running.",
              server->options->processes != UNLIMITED, server->options->processes);
    add_ends(server, text);
    add_gauge(text, "connections_lingering",
              "Refused clients that have not closed the connection yet.",
              refusals_count(&server->queue.refusals));
    add_gauge(text, "sources", "Sources of the clients that wait or have a handler.",
              clients_sources(clients));
    add_gauge(text, "oldest_wait_seconds", "How long the client has waited that came first.",
              oldest == NULL ? 0 : loop_seconds(server->loop.now - oldest->accepted));
    begin(text, "held_back", "gauge",
          "Why nobody more is started now: 1 for the reason, 0 for the others.");
    for (int i = ADMISSION_NONE; i < ADMISSION_REASONS; i++)
        add_labelled(text, "held_back", "by", admission_reason_name((enum admission_reason)i),
                     server->starting.held_back_by == (enum admission_reason)i);
}

static void add_handlers(const struct server *server, struct text *text)
{
    const struct statistics *statistics = &server->statistics;

    add_histogram(text, "wait_seconds", "How long clients waited until their handler ran.",
                  &statistics->waits);
    add_histogram(text, "run_seconds", "How long handlers ran.", &statistics->runs);
    begin(
        text, "handler_exits_total", "counter",
        "Handlers that have ended: with status 0, with another one, by a signal, or unknown how.");
    for (int i = 0; i < STATISTICS_EXITS; i++)
        add_labelled(text, "handler_exits_total", "status",
                     statistics_exit_name((enum statistics_exit)i), statistics->exits[i]);
    add_counter(text, "start_failures_total", "Handlers that could not be started.",
                statistics->starts_failed);
    add_gauge(text, "dispatchers", "Dispatchers that there should be.", server->pool.count);
    add_gauge(text, "dispatchers_ready", "Dispatchers that are ready.", pool_ready(&server->pool));
    add_counter(text, "dispatcher_restarts_total",
                "Dispatchers that were started for one that had died, the spare one included.",
                status_dispatcher_restarts(server));
}

enum { BACKLOG_WAITING, BACKLOG_DROPPED };

/* Several sockets may have one address, with SO_REUSEPORT or on interfaces of their own; but no
 * sample may be there twice. */
static bool is_at(const struct server *server, size_t i, const struct endpoint *place)
{
    const struct listener *listener = server->acceptor.listeners[i].listener;

    return listener->descriptor >= 0 && listener->local.family == place->family &&
           listener->local.port == place->port &&
           memcmp(listener->local.address, place->address, sizeof(place->address)) == 0;
}

static bool is_first_there(const struct server *server, size_t i, const struct endpoint *place)
{
    for (size_t before = 0; before < i; before++)
        if (is_at(server, before, place))
            return false;
    return true;
}

/* Of all sockets at a place.  Returns whether the kernel tells. */
static bool add_up(const struct server *server, const struct endpoint *place, uint64_t sum[2])
{
    bool known = false;

    sum[BACKLOG_WAITING] = 0;
    sum[BACKLOG_DROPPED] = 0;
    for (size_t i = 0; i < server->acceptor.count; i++) {
        struct listener_backlog backlog;

        if (!is_at(server, i, place) || !listener_look(server->acceptor.listeners[i].listener, &backlog))
            continue;
        sum[BACKLOG_WAITING] += backlog.waiting;
        sum[BACKLOG_DROPPED] += backlog.dropped;
        known = true;
    }
    return known;
}

static void add_backlogs(const struct server *server, struct text *text, const char *name,
                         int which)
{
    for (size_t i = 0; i < server->acceptor.count; i++) {
        const struct listener *listener = server->acceptor.listeners[i].listener;
        char address[INET6_ADDRSTRLEN];
        uint64_t sum[2];

        if (listener->descriptor < 0 || !is_first_there(server, i, &listener->local) ||
            !add_up(server, &listener->local, sum))
            continue;
        text_add(text, "dampener_%s{address=\"%s\",port=\"%u\"} %" PRIu64 "\n", name,
                 address_text(&listener->local, address), listener->local.port, sum[which]);
    }
}

static void add_listeners(const struct server *server, struct text *text)
{
    begin(text, "listen_backlog", "gauge", "Connections in the backlog of a listening socket.");
    add_backlogs(server, text, "listen_backlog", BACKLOG_WAITING);
    begin(text, "listen_overflows_total", "counter",
          "Attempts to connect that the kernel dropped, as that backlog was full.");
    add_backlogs(server, text, "listen_overflows_total", BACKLOG_DROPPED);
}

void metrics_write(struct server *server, struct text *text)
{
    add_process(server, text);
    add_clients(server, text);
    add_handlers(server, text);
    add_listeners(server, text);
    add_strangers(server, text);
}
