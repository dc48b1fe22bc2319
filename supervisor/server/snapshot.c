#include "supervisor/server/snapshot.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/address.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* To find the busiest sources takes a look at every source.  Anybody may ask over the metrics
     * port, so with many sources the answer is kept for a while. */
    BUSIEST_CHEAP = 1000, /* sources */
    BUSIEST_EVERY = 100 * LOOP_MILLISECOND
};

static_assert((int)SNAPSHOT_NAME >= (int)SOURCE_TEXT, "the name of a source fits");

/* ---- vocabularies ---- */

enum state { SERVING, NOT_SERVING, PAUSED, DRAINING, ENDING, HANDED_OVER };

/* Capitals warn people: only the first state is the usual one. */
static const struct snapshot_word states[] = {
    [SERVING] = {"serving", "serving"},
    [NOT_SERVING] = {"not serving", "NOT SERVING"}, /* no handler can be started */
    [PAUSED] = {"paused", "PAUSED"},
    [DRAINING] = {"draining", "DRAINING"},
    [ENDING] = {"ending", "ENDING"},
    [HANDED_OVER] = {"handed over", "HANDED OVER"},
};

static const struct snapshot_word logs[] = {{"open", "open"}, {"broken", "BROKEN"}};

/* Why nobody is started.  The words complete "held back by", and fit a terminal of 80 columns
 * behind it; they contain nothing that Prometheus would escape. */
static const struct snapshot_word reasons[ADMISSION_REASONS] = {
    [ADMISSION_NONE] = {"none", "nothing"},
    [ADMISSION_ENDING] = {"ending", "the end of the service"},
    [ADMISSION_PAUSED] = {"paused", "the operator's pause"},
    [ADMISSION_TAKEOVER] = {"takeover", "a takeover that is going on"},
    [ADMISSION_PROCESSES] = {"processes", "--processes: as many handlers run as it allows"},
    [ADMISSION_SOURCE] = {"per-source", "--per-source: each source that waits has its handlers"},
    [ADMISSION_FAILURE] = {"failure", "failed starts: CMD is tried again in a moment"},
    [ADMISSION_LOAD] = {"load", "--load-average: the machine is too busy"},
    [ADMISSION_CPU] = {"cpu-pressure", "--pressure: tasks wait too long for processors"},
    [ADMISSION_MEMORY] = {"memory-pressure", "--pressure: tasks wait too long for memory"},
    [ADMISSION_IO] = {"io-pressure", "--pressure: tasks wait too long for input and output"},
    [ADMISSION_OPENING] = {"opening",
                           "--load-average or --pressure: handlers start again, step by step"},
    [ADMISSION_RATE] = {"rate", "--rate: the next start is not due yet"},
    [ADMISSION_DISPATCHERS] = {"dispatchers", "the dispatchers: none can take a start now"},
};

bool snapshot_can_serve(const struct server *server)
{
    return pool_can_serve(&server->pool) &&
           !standby_is_failing(&server->lasting->standby, server->loop.now);
}

static enum state state_of(const struct server *server)
{
    switch (server->lasting->shutdown.stage) {
    case SERVER_SERVING:
        return server->lasting->paused      ? PAUSED
               : snapshot_can_serve(server) ? SERVING
                                            : NOT_SERVING;
    case SERVER_HANDED_OVER:
        return HANDED_OVER;
    case SERVER_DRAINING:
        return DRAINING;
    default:
        return ENDING;
    }
}

const char *snapshot_state(const struct server *server)
{
    return states[state_of(server)].name;
}

bool snapshot_is_serving(const struct server *server)
{
    return state_of(server) == SERVING;
}

/* ---- numbers ---- */

static double limit(bool given, double number)
{
    return given ? number : (double)INFINITY;
}

static void count_clients(const struct clients *clients, uint64_t now, struct snapshot *snapshot)
{
    const struct client *oldest = clients_first(clients, CLIENT_QUEUED);
    const uint64_t *ended = clients->books->ended;

    snapshot->accepted = (double)clients->accepted;
    snapshot->queued = clients_count(clients, CLIENT_QUEUED);
    snapshot->starting = clients_count(clients, CLIENT_STARTING);
    snapshot->running = clients_count(clients, CLIENT_RUNNING);
    snapshot->sources = sources_count(&clients->order.sources);
    snapshot->oldest = oldest == NULL ? (double)NAN : loop_seconds(now - oldest->accepted);
    snapshot->ended.served = (double)ended[CLIENT_SERVED];
    snapshot->ended.abandoned = (double)ended[CLIENT_ABANDONED];
    snapshot->ended.denied = (double)ended[CLIENT_DENIED];
    snapshot->ended.refused_queue = (double)ended[CLIENT_REFUSED_QUEUE];
    snapshot->ended.refused_source = (double)ended[CLIENT_REFUSED_SOURCE];
    snapshot->ended.refused_timeout = (double)ended[CLIENT_REFUSED_TIMEOUT];
    snapshot->ended.dropped = (double)ended[CLIENT_DROPPED];
    snapshot->ended.handed_over = (double)ended[CLIENT_HANDED_OVER];
}

static void count_limits(const struct server *server, struct snapshot *snapshot)
{
    const struct options *options = server->options;
    const struct options_gate *load = &options->gates[OPTIONS_GATE_LOAD];

    snapshot->limits.processes = limit(options->processes != UNLIMITED, options->processes);
    snapshot->limits.queue = server->queue.maximum;
    snapshot->limits.queue_timeout =
        limit(options->queue_timeout != 0, loop_seconds(options->queue_timeout));
    snapshot->limits.per_source = limit(options->per_source != UNLIMITED, options->per_source);
    snapshot->limits.load_average = limit(load->given, load->limit);
    snapshot->limits.rate.count = limit(options->rate != UNLIMITED, options->rate);
    snapshot->limits.rate.period = loop_seconds(options->rate_period);
}

static void count_handlers(const struct server *server, struct snapshot *snapshot)
{
    const struct report *report = &server->lasting->report;
    const struct pool *pool = &server->pool;

    snapshot->wait_histogram = &report->waits;
    snapshot->run_histogram = &report->runs;
    snapshot->unserved_histogram = &server->books->unserved;
    snapshot->counts = report->counts;
    if (report->start_error != 0) {
        double at = loop_seconds(report->start_failed_at - server->lasting->began);

        snapshot->last_start_error = (struct snapshot_error){
            .text = strerror(report->start_error),
            .ago = loop_seconds(server->loop.now - report->start_failed_at),
            .at = (double)server->lasting->began_at + at,
        };
    }
    snapshot->dispatchers.wanted = pool->count;
    snapshot->dispatchers.ready = pool_ready(pool);
    for (unsigned i = 0; i < pool->count; i++)
        if (pool->books->dispatchers[i].generation > 0)
            snapshot->dispatchers.restarts += (double)(pool->books->dispatchers[i].generation - 1);
}

static uint32_t descriptors_open(const struct server *server)
{
    uint32_t closed = 0; /* listeners, at the end of the service or after a takeover */
    const struct clients *clients = &server->queue.clients;
    uint32_t held = 0; /* connections of clients with a handler */

    for (size_t i = 0; i < server->acceptor.count; i++)
        closed += server->acceptor.listeners[i].descriptor < 0;
    for (const struct client *client = clients_first(clients, CLIENT_RUNNING); client != NULL;
         client = clients_next(clients, client))
        held += client->descriptor >= 0;
    return server->lasting->descriptors_own - closed + clients_count(clients, CLIENT_QUEUED) +
           held + server->queue.lingering.active.length + control_descriptors(&server->control) +
           control_descriptors(&server->metrics);
}

void snapshot_count(const struct server *server, struct snapshot *snapshot)
{
    *snapshot = (struct snapshot){
        .version = VERSION,
        .command = server->options->command[0],
        .state = {states, sizeof(states) / sizeof(*states), state_of(server)},
        .held_back_by = {reasons, ADMISSION_REASONS, server->starting.held_back_by},
        .process = server->keeper,
        .began_at = (double)server->lasting->began_at,
        .uptime = loop_seconds(server->loop.now - server->lasting->began),
        .lingering = server->queue.lingering.active.length,
        .descriptors = {descriptors_open(server), server->lasting->descriptors_allowed},
        .log = {logs, sizeof(logs) / sizeof(*logs), log_is_broken()},
        .log_lines_dropped = (double)(server->lines_dropped + log_dropped()),
        .control_refused = (double)(server->strangers + server->control.refused),
    };
    count_clients(&server->queue.clients, server->loop.now, snapshot);
    count_limits(server, snapshot);
    count_handlers(server, snapshot);
}

/* ---- lists, and what needs sorting ---- */

/* Lists the gates that are set, under the names of their reasons.  Returns how many there are. */
static size_t list_gates(struct server *server, struct snapshot_row rows[OPTIONS_GATES])
{
    struct snapshot_row *row = rows;

    for (int i = 0; i < OPTIONS_GATES; i++) {
        double figure;

        if (!gates_show(&server->gates, (enum options_gate_kind)i, &figure, server->loop.now))
            continue;
        *row++ = (struct snapshot_row){
            .key = "gate",
            .name = reasons[ADMISSION_LOAD + i].name,
            .port = (double)NAN,
            .counts = {figure, server->options->gates[i].limit},
        };
    }
    return (size_t)(row - rows);
}

/* Returns how many rows there are, at most one for each listener. */
static size_t list_listeners(const struct acceptor *acceptor, struct snapshot_row *rows)
{
    struct snapshot_row *row = rows;

    for (size_t i = 0; rows != NULL && i < acceptor->count; i++) {
        const struct listener *listener = &acceptor->listeners[i];
        struct listener_backlog backlog;
        bool known;

        if (listener->descriptor < 0)
            continue;
        known = listener_look(listener, &backlog);
        row->key = listener->path != NULL ? "path" : "address";
        row->name =
            listener->path != NULL ? listener->path : address_text(&listener->local, row->own);
        row->port = listener->path != NULL ? (double)NAN : listener->local.port;
        row->counts[0] = known ? backlog.waiting : (double)NAN;
        row->counts[1] = known ? backlog.dropped : (double)NAN;
        row++;
    }
    return (size_t)(row - rows);
}

static void find_busiest(const struct order *order, struct server_busiest *found)
{
    const struct order_line *lines[SNAPSHOT_BUSIEST];

    found->count = order_busiest(order, lines, SNAPSHOT_BUSIEST);
    for (unsigned i = 0; i < found->count; i++) {
        struct snapshot_row *row = &found->rows[i];

        row->key = "source";
        row->name = sources_text(&order->sources, &lines[i]->source, row->own);
        row->port = (double)NAN;
        row->counts[0] = order_waiting(lines[i]);
        row->counts[1] = order_active(lines[i]);
    }
}

static void list_busiest(struct server *server, struct snapshot *snapshot)
{
    static const char *const counted[] = {"waiting", "running"};
    struct server_busiest *busiest = &server->busiest;
    uint64_t now = server->loop.now;

    if (busiest->until <= now) {
        find_busiest(&server->queue.clients.order, busiest);
        busiest->until = snapshot->sources > BUSIEST_CHEAP ? now + BUSIEST_EVERY : 0;
    }
    snapshot->busiest = (struct snapshot_list){counted, busiest->rows, busiest->count, NULL};
}

void snapshot_render(struct server *server, figures_renderer *render, struct text *text)
{
    static const char *const counted[] = {"backlog", "dropped"};
    static const char *const gated[] = {"now", "limit"};
    struct snapshot_row gates[OPTIONS_GATES];
    /* On failure the list stays empty. */
    struct snapshot_row *rows = calloc(server->acceptor.count, sizeof(*rows));
    struct snapshot snapshot;

    log_probe(); /* no line may have been lost yet */
    snapshot_count(server, &snapshot);
    snapshot.waits = histogram_quantiles(snapshot.wait_histogram);
    snapshot.runs = histogram_quantiles(snapshot.run_histogram);
    snapshot.unserved = histogram_quantiles(snapshot.unserved_histogram);
    snapshot.listeners =
        (struct snapshot_list){counted, rows, list_listeners(&server->acceptor, rows), NULL};
    snapshot.gates = (struct snapshot_list){gated, gates, list_gates(server, gates), "none is set"};
    list_busiest(server, &snapshot);
    render(text, &snapshot);
    free(rows);
}
