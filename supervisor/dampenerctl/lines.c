#include "supervisor/dampenerctl/lines.h"

#include "supervisor/dampenerctl/words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    COUNT_WIDTH = 15, /* so that bars stand below each other */
    BESIDE_BAR = 16,  /* for what stands behind one */
    NAME_WIDTH = 45
};

/* ---- the service ---- */

static void put_listener(struct line *line)
{
    const struct status_listener *first = &line->status->listeners[0];

    if (line->status->listener_count == 0)
        return;
    if (isnan(first->port))
        line_put(line, SCREEN_PLAIN, "%s", first->address);
    else
        line_put(line, SCREEN_PLAIN, "%s port %s", first->address, words_count(first->port).text);
    if (line->status->listener_count > 1)
        line_put(line, SCREEN_PLAIN, "and %zu more", line->status->listener_count - 1);
}

void lines_title(struct line *line)
{
    const struct status *status = line->status;
    bool serving = strcmp(status->state, "serving") == 0;

    if (line->view->status == NULL) {
        line_put(line, SCREEN_STRONG, "socket-burst-dampener");
        return;
    }
    line_put(line, serving ? SCREEN_GOOD : SCREEN_WARNING, "%s", words_state(status->state));
    line_put(line, SCREEN_STRONG, "%s", *status->command == '\0' ? "-" : status->command);
    line_put(line, SCREEN_PLAIN, "up %s", words_time(status->uptime).text);
    put_listener(line);
    line_put(line, SCREEN_FAINT, "process %s", words_count(status->process).text);
    line_put(line, SCREEN_FAINT, "version %s", *status->version == '\0' ? "-" : status->version);
}

void lines_trouble(struct line *line)
{
    line_put(line, SCREEN_BAD, "%s", line->view->trouble);
}

void lines_held_back(struct line *line)
{
    const char *reason = line->status->held_back_by;

    (void)screen_put(line->screen, line->row, 0, SCREEN_LABEL, "held back by");
    line->column =
        screen_put(line->screen, line->row, 13,
                   strcmp(reason, "none") == 0 || *reason == '\0' ? SCREEN_PLAIN : SCREEN_WARNING,
                   words_reason(reason));
}

void lines_keys(struct line *line)
{
    line_put(line, SCREEN_FAINT, "q quits");
}

/* ---- figures and their limits ---- */

static void put_limited(struct line *line, double value, double limit)
{
    char text[2 * WORDS_SIZE + 8];

    (void)snprintf(text, sizeof(text), isinf(limit) ? "%s, %s" : "%s of %s",
                   words_short(value).text, words_short(limit).text);
    line_put(line, SCREEN_STRONG, "%-*s", COUNT_WIDTH, text);
}

void lines_queued(struct line *line)
{
    const struct status *status = line->status;
    bool wide = line->screen->columns >= LINE_WIDE;
    double full = status->queued / status->limits.queue;

    line_put_label(line, "queued");
    put_limited(line, status->queued, status->limits.queue);
    line_put_bar(line,
                 full >= 1     ? SCREEN_BAD
                 : full >= 0.8 ? SCREEN_WARNING
                               : SCREEN_GOOD,
                 status->queued, status->limits.queue, wide ? BESIDE_BAR : 0);
    if (wide)
        line_put(line, SCREEN_PLAIN, "oldest %s", words_time(status->oldest).text);
}

void lines_running(struct line *line)
{
    const struct status *status = line->status;
    bool wide = line->screen->columns >= LINE_WIDE;

    line_put_label(line, "running");
    put_limited(line, status->running, status->limits.processes);
    line_put_bar(line, SCREEN_GOOD, status->running, status->limits.processes,
                 wide ? BESIDE_BAR : 0);
    if (wide)
        line_put(line, SCREEN_PLAIN, "starting %s", words_short(status->starting).text);
}

void lines_rates(struct line *line)
{
    const struct status *status = line->status;
    const struct samples *samples = line->view->samples;

    line_put_label(line, "rates");
    line_put(line, SCREEN_PLAIN, "started %s/s",
             words_rate(samples_recent_rate(samples, SAMPLES_STARTED)).text);
    line_put(line, SCREEN_PLAIN, "served %s/s",
             words_rate(samples_recent_rate(samples, SAMPLES_SERVED)).text);
    line_put(line, SCREEN_PLAIN, "accepted %s/s",
             words_rate(samples_recent_rate(samples, SAMPLES_ACCEPTED)).text);
    if (isfinite(status->limits.rate_count))
        line_put(line, SCREEN_FAINT, "limit %s in %s", words_short(status->limits.rate_count).text,
                 words_time(status->limits.rate_period).text);
}

static void put_spread(struct line *line, const struct status_spread *spread)
{
    line_put(line, SCREEN_PLAIN, "p50 %s", words_time(spread->p50).text);
    line_put(line, SCREEN_PLAIN, "p90 %s", words_time(spread->p90).text);
    line_put(line, SCREEN_PLAIN, "p99 %s", words_time(spread->p99).text);
    line_put(line, SCREEN_PLAIN, "longest %s", words_time(spread->longest).text);
    line_put(line, SCREEN_FAINT, "of the last %s", words_short(spread->of).text);
}

void lines_waits(struct line *line)
{
    line_put_label(line, "waited");
    put_spread(line, &line->status->waits);
}

void lines_runs(struct line *line)
{
    line_put_label(line, "ran");
    put_spread(line, &line->status->runs);
}

/* ---- what went wrong ---- */

static void put_if_any(struct line *line, enum screen_style style, const char *name, double count)
{
    if (count > 0)
        line_put(line, style, "%s %s", name, words_short(count).text);
}

bool lines_has_refusals(const struct status *status)
{
    return status->ended.refused_queue > 0 || status->ended.refused_source > 0 ||
           status->ended.refused_timeout > 0 || status->ended.denied > 0 ||
           status->ended.dropped > 0;
}

void lines_refusals(struct line *line)
{
    const struct status *status = line->status;

    line_put_label(line, "refused");
    put_if_any(line, SCREEN_BAD, "queue full", status->ended.refused_queue);
    put_if_any(line, SCREEN_BAD, "source", status->ended.refused_source);
    put_if_any(line, SCREEN_BAD, "timeout", status->ended.refused_timeout);
    put_if_any(line, SCREEN_WARNING, "denied", status->ended.denied);
    put_if_any(line, SCREEN_BAD, "dropped", status->ended.dropped);
}

bool lines_has_failures(const struct status *status)
{
    return status->exits.failure > 0 || status->exits.signal > 0 || status->start_failures > 0 ||
           status->dispatchers.restarts > 0 || status->log_lines_dropped > 0;
}

void lines_failures(struct line *line)
{
    const struct status *status = line->status;

    line_put_label(line, "failed");
    put_if_any(line, SCREEN_BAD, "starts", status->start_failures);
    put_if_any(line, SCREEN_WARNING, "exits", status->exits.failure);
    put_if_any(line, SCREEN_WARNING, "killed", status->exits.signal);
    put_if_any(line, SCREEN_BAD, "dispatchers", status->dispatchers.restarts);
    put_if_any(line, SCREEN_WARNING, "log lines", status->log_lines_dropped);
}

/* ---- sources ---- */

void lines_source(struct line *line, size_t number)
{
    const struct status_source *source = &line->status->busiest[number];
    bool wide = line->screen->columns >= LINE_WIDE;
    char counts[80];
    size_t length;
    unsigned start = 0;

    if (wide) {
        line_put_label(line, number == 0 ? "busiest" : "");
        start = LINE_LABEL_WIDTH;
    }
    length = (size_t)snprintf(counts, sizeof(counts),
                              wide ? "%6s waiting  %6s running" : "%3s wait%4s run",
                              words_short(source->waiting).text, words_short(source->running).text);
    (void)screen_put(line->screen, line->row, start, SCREEN_PLAIN,
                     *source->source == '\0' ? "-" : source->source);
    /* The counts matter more than the end of a name. */
    if (line->screen->columns > start + length) {
        unsigned column = line->screen->columns - (unsigned)length - 1;

        column = wide && column > start + NAME_WIDTH ? start + NAME_WIDTH : column;
        (void)screen_put(line->screen, line->row, column, SCREEN_PLAIN, " ");
        (void)screen_put(line->screen, line->row, column + 1, SCREEN_PLAIN, counts);
        for (unsigned rest = column + 1 + (unsigned)length; rest < line->screen->columns; rest++)
            (void)screen_put(line->screen, line->row, rest, SCREEN_PLAIN, " ");
    }
}
