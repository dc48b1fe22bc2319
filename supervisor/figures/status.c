#include "supervisor/figures/status.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/address.h"
#include "supervisor/listen/listener.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum {
    BUSIEST = 10,
    /* Finding them takes a look at every source.  Anybody may ask over the metrics port, so that is
     * done ten times a second at most where there are many of them. */
    BUSIEST_CHEAP = 1000, /* sources */
    BUSIEST_EVERY = 100 * LOOP_MILLISECOND
};

/* ---- single figures, which metrics have as well ---- */

enum state { SERVING, PAUSED, DRAINING, ENDING, HANDED_OVER };

const char *const status_states[STATUS_STATES] = {
    [SERVING] = "serving", [PAUSED] = "paused",           [DRAINING] = "draining",
    [ENDING] = "ending",   [HANDED_OVER] = "handed over",
};

static enum state state(const struct server *server)
{
    switch (server->shutdown.stage) {
    case SERVER_SERVING:
        return server->starting.paused ? PAUSED : SERVING;
    case SERVER_HANDED_OVER:
        return HANDED_OVER;
    case SERVER_DRAINING:
        return DRAINING;
    default:
        return ENDING;
    }
}

const char *status_state(const struct server *server)
{
    return status_states[state(server)];
}

uint32_t status_descriptors(const struct server *server)
{
    uint32_t closed = 0; /* listeners: at the end of the service, or when another has them */

    for (size_t i = 0; i < server->acceptor.count; i++)
        closed += server->acceptor.listeners[i].listener->descriptor < 0;
    return server->descriptors_own - closed + clients_count(&server->queue.clients, CLIENT_QUEUED) +
           refusals_count(&server->queue.refusals) +
           (server->control == NULL ? 0 : control_descriptors(server->control)) +
           (server->metrics == NULL ? 0 : control_descriptors(server->metrics));
}

uint64_t status_dispatcher_restarts(const struct server *server)
{
    uint64_t restarts = 0;

    for (unsigned i = 0; i < pool_all(&server->pool); i++)
        if (server->pool.dispatchers[i].generation > 0)
            restarts += server->pool.dispatchers[i].generation - 1;
    return restarts;
}

/* ---- the object ---- */

static void add_number_or_null(struct text *text, const char *name, bool given, double number)
{
    if (given)
        text_add(text, "\"%s\":%.10g", name, number);
    else
        text_add(text, "\"%s\":null", name);
}

static void add_place(const struct listener *listener, struct text *text)
{
    char address[INET6_ADDRSTRLEN];

    if (listener->path == NULL) {
        text_add(text, "\"address\":\"%s\",\"port\":%u,", address_text(&listener->local, address),
                 listener->local.port);
        return;
    }
    text_add(text, "\"path\":");
    text_add_json(text, listener->path);
    text_add(text, ",");
}

static void add_listeners(const struct server *server, struct text *text)
{
    const char *separator = "";

    text_add(text, "\"listeners\":[");
    for (size_t i = 0; i < server->acceptor.count; i++) {
        const struct listener *listener = server->acceptor.listeners[i].listener;
        struct listener_backlog backlog;

        if (listener->descriptor < 0)
            continue;
        text_add(text, "%s{", separator);
        add_place(listener, text);
        separator = ",";
        if (listener_look(listener, &backlog))
            text_add(text, "\"backlog\":%u,\"dropped\":%u}", backlog.waiting, backlog.dropped);
        else
            text_add(text, "\"backlog\":null,\"dropped\":null}");
    }
    text_add(text, "],");
}

static void add_clients(const struct server *server, struct text *text)
{
    const struct clients *clients = &server->queue.clients;
    const struct client *oldest = clients_first(clients, CLIENT_QUEUED);

    text_add(text, "\"accepted\":%" PRIu64 ",\"queued\":%u,\"starting\":%u,\"running\":%u,",
             clients->accepted, clients_count(clients, CLIENT_QUEUED),
             clients_count(clients, CLIENT_STARTING), clients_count(clients, CLIENT_RUNNING));
    text_add(text, "\"ended\":{");
    for (int end = 0; end < CLIENT_ENDS; end++)
        text_add(text, "%s\"%s\":%" PRIu64, end == 0 ? "" : ",",
                 clients_end_field((enum client_end)end), clients->ended[end]);
    text_add(text, "},\"lingering\":%u,\"held_back_by\":\"%s\",",
             refusals_count(&server->queue.refusals),
             admission_reason_name(server->starting.held_back_by));
    add_number_or_null(text, "oldest", oldest != NULL,
                       oldest == NULL ? 0 : loop_seconds(server->loop.now - oldest->accepted));
    text_add(text, ",");
}

static void add_limits(const struct server *server, struct text *text)
{
    const struct options *options = server->options;
    const struct options_gate *load = &options->gates[OPTIONS_GATE_LOAD];

    text_add(text, "\"limits\":{");
    add_number_or_null(text, "processes", options->processes != UNLIMITED, options->processes);
    text_add(text, ",\"queue\":%u,", server->queue.maximum);
    add_number_or_null(text, "queue_timeout", options->queue_timeout != 0,
                       loop_seconds(options->queue_timeout));
    text_add(text, ",");
    add_number_or_null(text, "per_source", options->per_source != UNLIMITED, options->per_source);
    text_add(text, ",");
    add_number_or_null(text, "load_average", load->given, load->limit);
    if (options->rate == UNLIMITED)
        text_add(text, ",\"rate\":null},");
    else
        text_add(text, ",\"rate\":{\"count\":%u,\"period\":%.10g}},", options->rate,
                 loop_seconds(options->rate_period));
}

static void add_histogram(const struct histogram *histogram, const char *name, struct text *text)
{
    struct histogram_quantiles quantiles = histogram_quantiles(histogram);

    text_add(text,
             "\"%s\":{\"of\":%u,\"p50\":%.10g,\"p90\":%.10g,\"p99\":%.10g,\"longest\":%.10g},",
             name, quantiles.of, loop_seconds(quantiles.median), loop_seconds(quantiles.ninety),
             loop_seconds(quantiles.ninety_nine), loop_seconds(quantiles.longest));
}

static void add_handlers(const struct server *server, struct text *text)
{
    const struct statistics *statistics = &server->statistics;

    add_histogram(&statistics->waits, "waits", text);
    add_histogram(&statistics->runs, "runs", text);
    text_add(text, "\"exits\":{");
    for (int i = 0; i < STATISTICS_EXITS; i++)
        text_add(text, "%s\"%s\":%" PRIu64, i == 0 ? "" : ",",
                 statistics_exit_name((enum statistics_exit)i), statistics->exits[i]);
    text_add(text, "},\"start_failures\":%" PRIu64 ",", statistics->starts_failed);
    text_add(text, "\"dispatchers\":{\"wanted\":%u,\"ready\":%u,\"restarts\":%" PRIu64 "},",
             server->pool.count, pool_ready(&server->pool), status_dispatcher_restarts(server));
}

static void find_busiest(struct server *server)
{
    const struct order *order = &server->queue.clients.order;
    const struct order_line *busiest[BUSIEST];
    unsigned count = order_busiest(order, busiest, BUSIEST);
    struct text text;

    text_open(&text, server->busiest.text, sizeof(server->busiest.text));
    for (unsigned i = 0; i < count; i++) {
        char name[SOURCE_TEXT];

        text_add(&text, "%s{\"source\":\"%s\",\"waiting\":%u,\"running\":%u}", i == 0 ? "" : ",",
                 sources_text(&order->sources, &busiest[i]->source, name),
                 busiest[i]->waiting.length, order_active(busiest[i]));
    }
}

static void add_busiest(struct server *server, struct text *text)
{
    uint32_t sources = clients_sources(&server->queue.clients);
    uint64_t now = server->loop.now;

    if (server->busiest.until <= now) {
        find_busiest(server);
        server->busiest.until = sources > BUSIEST_CHEAP ? now + BUSIEST_EVERY : 0;
    }
    text_add(text, "\"sources\":%u,\"busiest\":[%s]", sources, server->busiest.text);
}

void status_write(struct server *server, struct text *text)
{
    text_add(text, "{\"version\":\"%s\",\"process\":%d,\"state\":\"%s\",\"uptime\":%.10g,", VERSION,
             getpid(), status_state(server), loop_seconds(server->loop.now - server->began));
    text_add(text, "\"command\":");
    text_add_json(text, server->options->command[0]);
    text_add(text, ",");
    add_listeners(server, text);
    add_clients(server, text);
    add_limits(server, text);
    add_handlers(server, text);
    text_add(text, "\"descriptors\":{\"used\":%u,\"allowed\":%u},\"log_lines_dropped\":%lu,",
             status_descriptors(server), server->descriptors_allowed, log_dropped());
    add_busiest(server, text);
    text_add(text, "}\n");
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
    const struct clients *clients = &server->queue.clients;
    const uint32_t queued = clients_count(clients, CLIENT_QUEUED);
    const uint32_t starting = clients_count(clients, CLIENT_STARTING);
    const uint32_t running = clients_count(clients, CLIENT_RUNNING);
    const char *reason = admission_reason_name(server->starting.held_back_by);
    struct log_field fields[CLIENT_ENDS + 7] = {
        LOG_NUMBER("accepted", clients->accepted),
        LOG_NUMBER("queued", queued),
        LOG_NUMBER("starting", starting),
        LOG_NUMBER("running", running),
        LOG_NUMBER("lingering", refusals_count(&server->queue.refusals)),
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
              refusals_count(&server->queue.refusals), clients_sources(clients), reason);
}
