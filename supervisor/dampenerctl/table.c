#include "supervisor/dampenerctl/table.h"

#include "supervisor/dampenerctl/words.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

enum { NAME_WIDTH = 16, ADDRESS_WIDTH = 32 };

__attribute__((format(printf, 3, 4))) static void row(struct text *text, const char *name,
                                                      const char *format, ...)
{
    char value[512];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(value, sizeof(value), format, arguments); /* longer than any that there are */
    va_end(arguments);
    text_add(text, "%-*s%s\n", NAME_WIDTH, name, value);
}

static const char *or_dash(const char *word)
{
    return *word == '\0' ? "-" : word;
}

static void write_limited(struct text *text, const char *name, double value, double limit)
{
    row(text, name, isinf(limit) ? "%s, %s" : "%s of %s", words_count(value).text,
        words_count(limit).text);
}

static void write_count(struct text *text, const char *name, double value)
{
    row(text, name, "%s", words_count(value).text);
}

static void write_service(struct text *text, const struct status *status)
{
    row(text, "state", "%s", words_state(status->state));
    row(text, "command", "%s", or_dash(status->command));
    row(text, "version", "%s", or_dash(status->version));
    write_count(text, "process", status->process);
    row(text, "up", "%s", words_time(status->uptime).text);
    for (size_t i = 0; i < status->listener_count; i++) {
        const struct status_listener *listener = &status->listeners[i];
        char address[sizeof(listener->address) + WORDS_SIZE + 8];

        (void)snprintf(address, sizeof(address), isnan(listener->port) ? "%s" : "%s port %s",
                       or_dash(listener->address), words_count(listener->port).text);
        row(text, i == 0 ? "listening on" : "", "%-*s backlog %s, dropped %s", ADDRESS_WIDTH,
            address, words_count(listener->backlog).text, words_count(listener->dropped).text);
    }
}

static void write_limits(struct text *text, const struct status *status)
{
    row(text, "queue timeout", "%s", words_time(status->limits.queue_timeout).text);
    write_count(text, "per source", status->limits.per_source);
    if (isfinite(status->limits.load_average))
        row(text, "load average", "below %.2f", status->limits.load_average);
    else
        write_count(text, "load average", status->limits.load_average);
    if (isfinite(status->limits.rate_count))
        row(text, "rate of starts", "%s in %s", words_count(status->limits.rate_count).text,
            words_time(status->limits.rate_period).text);
    else
        write_count(text, "rate of starts", status->limits.rate_count);
}

static void write_clients(struct text *text, const struct status *status)
{
    write_count(text, "accepted", status->accepted);
    write_limited(text, "queued", status->queued, status->limits.queue);
    row(text, "oldest", "%s", words_time(status->oldest).text);
    write_count(text, "starting", status->starting);
    write_limited(text, "running", status->running, status->limits.processes);
    row(text, "held back by", "%s", words_reason(status->held_back_by));
    write_count(text, "lingering", status->lingering);
    text_add(text, "\n");
    write_count(text, "served", status->ended.served);
    write_count(text, "abandoned", status->ended.abandoned);
    write_count(text, "denied", status->ended.denied);
    write_count(text, "refused",
                status->ended.refused_queue + status->ended.refused_source +
                    status->ended.refused_timeout);
    write_count(text, "  queue full", status->ended.refused_queue);
    write_count(text, "  per source", status->ended.refused_source);
    write_count(text, "  timeout", status->ended.refused_timeout);
    write_count(text, "dropped", status->ended.dropped);
}

static void write_spread(struct text *text, const char *name, const struct status_spread *spread)
{
    row(text, name, "p50 %-7s p90 %-7s p99 %-7s longest %-7s of %s", words_time(spread->p50).text,
        words_time(spread->p90).text, words_time(spread->p99).text,
        words_time(spread->longest).text, words_count(spread->of).text);
}

static void write_running(struct text *text, const struct status *status)
{
    write_spread(text, "waited", &status->waits);
    write_spread(text, "ran", &status->runs);
    row(text, "exits", "success %s, failure %s, signal %s, unknown %s",
        words_count(status->exits.success).text, words_count(status->exits.failure).text,
        words_count(status->exits.signal).text, words_count(status->exits.unknown).text);
    write_count(text, "failed starts", status->start_failures);
    row(text, "dispatchers", "%s of %s ready, %s replaced",
        words_count(status->dispatchers.ready).text, words_count(status->dispatchers.wanted).text,
        words_count(status->dispatchers.restarts).text);
    write_limited(text, "descriptors", status->descriptors_used, status->descriptors_allowed);
    write_count(text, "log lines lost", status->log_lines_dropped);
    write_count(text, "sources", status->sources);
}

static void write_busiest(struct text *text, const struct status *status)
{
    for (size_t i = 0; i < status->busiest_count; i++) {
        const struct status_source *source = &status->busiest[i];

        row(text, i == 0 ? "busiest" : "", "%-*s waiting %s, running %s", ADDRESS_WIDTH,
            or_dash(source->source), words_count(source->waiting).text,
            words_count(source->running).text);
    }
}

void table_write(struct text *text, const struct status *status)
{
    write_service(text, status);
    text_add(text, "\n");
    write_clients(text, status);
    text_add(text, "\n");
    write_running(text, status);
    text_add(text, "\n");
    write_limits(text, status);
    if (status->busiest_count > 0)
        text_add(text, "\n");
    write_busiest(text, status);
}
