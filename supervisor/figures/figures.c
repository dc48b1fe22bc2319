#include "supervisor/figures/figures.h"

#include "dispatcher/shared/log.h"
#include "supervisor/figures/kind.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* ---- the table ---- */

struct figure {
    const char *name; /* in JSON a path, and the name in lines; NULL: the figure is a metric only */
    const struct kind *kind;
    size_t member;      /* of struct snapshot */
    const char *metric; /* without "dampener_"; NULL: the figure is no metric */
    const char *label;  /* kind.h says what it means; NULL: none */
    const char *help;   /* NULL: the entry before has it, and the same metric */
};

/* The name of a figure is that of its member; metric, label and help follow. */
#define FIGURE(name, kind, member, ...)                                                            \
    {                                                                                              \
        name, &kind_##kind, offsetof(struct snapshot, member), __VA_ARGS__                         \
    }
#define BOTH(kind, member, ...)        FIGURE(#member, kind, member, __VA_ARGS__)
#define ONLY_METRIC(kind, member, ...) FIGURE(NULL, kind, member, __VA_ARGS__)
#define NO_METRIC(kind, member)        BOTH(kind, member, NULL, NULL, NULL)

/* In the order of JSON.  Entries of one metric follow one another. */
static const struct figure figures[] = {
    BOTH(text, version, "build_info", "version", "The version of the daemon, as a label."),
    NO_METRIC(number, process),
    BOTH(choice, state, "state", "state", "The state: 1 for the one that applies, 0 for others."),
    NO_METRIC(time, uptime),
    ONLY_METRIC(time, began_at, "start_time_seconds", NULL, "When the service began, since 1970."),
    NO_METRIC(text, command),
    BOTH(list, listeners, "listen_backlog", "backlog", "Connections in the backlog of a socket."),
    ONLY_METRIC(list, listeners, "listen_overflows_total", "dropped",
                "Attempts to connect that the kernel dropped because the backlog was full."),

    BOTH(number, accepted, "connections_accepted_total", NULL, "Accepted connections."),
    BOTH(number, queued, "connections_queued", NULL, "Clients that wait for a handler."),
    BOTH(number, starting, "handlers_starting", NULL, "Clients whose handler is being started."),
    BOTH(number, running, "handlers_running", NULL, "Clients whose handler runs."),
    BOTH(number, ended.served, "connections_ended_total", "how=\"served\"",
         "Accepted connections that are over, by how they ended."),
    BOTH(number, ended.abandoned, "connections_ended_total", "how=\"abandoned\"", NULL),
    BOTH(number, ended.denied, "connections_ended_total", "how=\"denied\"", NULL),
    BOTH(number, ended.refused_queue, "connections_ended_total", "how=\"refused-queue\"", NULL),
    BOTH(number, ended.refused_source, "connections_ended_total", "how=\"refused-source\"", NULL),
    BOTH(number, ended.refused_timeout, "connections_ended_total", "how=\"refused-timeout\"", NULL),
    BOTH(number, ended.dropped, "connections_ended_total", "how=\"dropped\"", NULL),
    BOTH(number, ended.handed_over, "connections_ended_total", "how=\"handed-over\"", NULL),
    ONLY_METRIC(number, ended.refused_queue, "connections_refused_total", "reason=\"queue\"",
                "Refused connections, by reason.  They count as ended, too."),
    ONLY_METRIC(number, ended.refused_source, "connections_refused_total", "reason=\"source\"",
                NULL),
    ONLY_METRIC(number, ended.refused_timeout, "connections_refused_total", "reason=\"timeout\"",
                NULL),
    BOTH(number, lingering, "connections_lingering", NULL,
         "Refused clients that have not closed their connection yet."),
    BOTH(choice, held_back_by, "held_back", "by",
         "Why the next waiting client is not started: 1 for the reason, 0 for others."),
    FIGURE("held_back_words", vocabulary, held_back_by, "held_back_words", "by",
           "What each reason means, in words; always 1."),
    BOTH(list, gates, "gate", "now",
         "The load average, or a pressure in percent, that is limited."),
    ONLY_METRIC(list, gates, "gate_limit", "limit",
                "The limit on it: at this figure, no second handler is started."),
    BOTH(time, oldest, "oldest_wait_seconds", NULL,
         "How long the oldest waiting client has waited."),

    BOTH(number, limits.processes, "handlers_limit", NULL, "The most handlers at once."),
    BOTH(number, limits.queue, "connections_queued_limit", NULL, "The most clients that may wait."),
    NO_METRIC(time, limits.queue_timeout),
    NO_METRIC(number, limits.per_source),
    NO_METRIC(number, limits.load_average),
    NO_METRIC(rate, limits.rate),

    NO_METRIC(number, waits.of),
    NO_METRIC(time, waits.p50),
    NO_METRIC(time, waits.p90),
    NO_METRIC(time, waits.p99),
    NO_METRIC(time, waits.longest),
    ONLY_METRIC(histogram, wait_histogram, "wait_seconds", NULL,
                "How long clients waited until their handler ran."),
    NO_METRIC(number, unserved.of),
    NO_METRIC(time, unserved.p50),
    NO_METRIC(time, unserved.p90),
    NO_METRIC(time, unserved.p99),
    NO_METRIC(time, unserved.longest),
    ONLY_METRIC(histogram, unserved_histogram, "unserved_wait_seconds", NULL,
                "How long clients waited that got no handler: refused, hung up, dropped."),
    NO_METRIC(number, runs.of),
    NO_METRIC(time, runs.p50),
    NO_METRIC(time, runs.p90),
    NO_METRIC(time, runs.p99),
    NO_METRIC(time, runs.longest),
    ONLY_METRIC(histogram, run_histogram, "run_seconds", NULL, "How long handlers ran."),
    FIGURE("exits.success", number, counts.exits[REPORT_SUCCESS], "handler_exits_total",
           "status=\"success\"",
           "Ended handlers: with status 0, with another status, by a signal, or unknown how."),
    FIGURE("exits.failure", number, counts.exits[REPORT_FAILURE], "handler_exits_total",
           "status=\"failure\"", NULL),
    FIGURE("exits.signal", number, counts.exits[REPORT_SIGNAL], "handler_exits_total",
           "status=\"signal\"", NULL),
    FIGURE("exits.unknown", number, counts.exits[REPORT_UNKNOWN], "handler_exits_total",
           "status=\"unknown\"", NULL),
    FIGURE("start_failures", number, counts.starts_failed, "start_failures_total", NULL,
           "Failed starts of handlers."),
    BOTH(error, last_start_error, "last_start_error_timestamp_seconds", "error",
         "When the last start failed, since 1970, and why."),

    BOTH(number, dispatchers.wanted, "dispatchers", NULL, "Dispatchers that there should be."),
    BOTH(number, dispatchers.ready, "dispatchers_ready", NULL, "Dispatchers that are ready."),
    BOTH(number, dispatchers.restarts, "dispatcher_restarts_total", NULL,
         "Dispatchers started in place of a dead one."),
    BOTH(number, descriptors.used, "descriptors_used", NULL, "Open descriptors of the supervisor."),
    BOTH(number, descriptors.allowed, "descriptors_limit", NULL,
         "The most descriptors that the supervisor may have open."),
    BOTH(choice, log, "log_state", "state",
         "Whether standard error can take lines: 1 for the state that applies, 0 for the other."),
    BOTH(number, log_lines_dropped, "log_lines_dropped_total", NULL,
         "Lines of the log that standard error did not take at once."),
    ONLY_METRIC(number, control_refused, "control_refused_total", NULL,
                "Connections to the control socket by users who may not use it."),
    BOTH(number, sources, "sources", NULL, "Sources with a client that waits or has a handler."),
    NO_METRIC(list, busiest),
};

enum { FIGURES = sizeof(figures) / sizeof(*figures) };

static const void *value_of(const struct figure *figure, const struct snapshot *snapshot)
{
    return (const char *)snapshot + figure->member;
}

/* ---- JSON ---- */

/* The length of the object's name in a path such as "ended.served"; 0 outside of objects. */
static size_t object_length(const char *name)
{
    const char *dot = strchr(name, '.');

    return dot == NULL ? 0 : (size_t)(dot - name);
}

void figures_json(struct text *text, const struct snapshot *snapshot)
{
    const char *before = "";

    text_add(text, "{");
    for (size_t i = 0; i < FIGURES; i++) {
        const char *name = figures[i].name;
        size_t object;
        bool same;

        if (name == NULL)
            continue;
        object = object_length(name);
        same = object_length(before) == object && strncmp(before, name, object) == 0;
        if (!same && object_length(before) > 0)
            text_add(text, "}");
        if (*before != '\0')
            text_add(text, ",");
        if (!same && object > 0)
            text_add(text, "\"%.*s\":{", (int)object, name);
        text_add(text, "\"%s\":", name + object + (object > 0));
        figures[i].kind->json(text, value_of(&figures[i], snapshot));
        before = name;
    }
    text_add(text, object_length(before) > 0 ? "}}\n" : "}\n");
}

/* ---- Prometheus, and lines ---- */

static const char *type_of(const struct figure *figure)
{
    if (figure->kind == &kind_histogram)
        return "histogram";
    return strstr(figure->metric, "_total") != NULL ? "counter" : "gauge";
}

void figures_metrics(struct text *text, const struct snapshot *snapshot)
{
    for (size_t i = 0; i < FIGURES; i++) {
        const struct figure *figure = &figures[i];

        if (figure->metric == NULL)
            continue;
        if (figure->help != NULL)
            text_add(text, "# HELP dampener_%s %s\n# TYPE dampener_%s %s\n", figure->metric,
                     figure->help, figure->metric, type_of(figure));
        figure->kind->sample(text, figure->metric, figure->label, value_of(figure, snapshot));
    }
}

void figures_lines(struct text *text, const struct snapshot *snapshot)
{
    for (size_t i = 0; i < FIGURES; i++) {
        const struct figure *figure = &figures[i];

        if (figure->name == NULL || figure->kind->words == NULL)
            continue;
        if (figure->kind->line != NULL) {
            figure->kind->line(text, figure->name, value_of(figure, snapshot));
            continue;
        }
        text_add(text, "%s ", figure->name);
        figure->kind->words(text, value_of(figure, snapshot));
        text_add(text, "\n");
    }
}

/* ---- templates ---- */

/* Finds the figure that a template names; the name ends with '}'. */
static const struct figure *find(const char *name)
{
    size_t length = strcspn(name, "}");

    for (size_t i = 0; i < FIGURES; i++)
        if (figures[i].name != NULL && strlen(figures[i].name) == length &&
            memcmp(figures[i].name, name, length) == 0)
            return &figures[i];
    log_bug("no figure is called %s", name);
}

static bool names_figure(const char *template, const struct figure *figure)
{
    char name[64];

    if (figure->name == NULL || figure->kind->words == NULL)
        return true; /* there is nothing to be shown */
    (void)snprintf(name, sizeof(name), "{%s}", figure->name);
    return strstr(template, name) != NULL;
}

static bool is_unlimited(const struct figure *figure, const struct snapshot *snapshot)
{
    return figure->kind == &kind_number && isinf(*(const double *)value_of(figure, snapshot));
}

/* Adds a template with each {NAME} replaced by that figure in words.  "3 of no limit" becomes "3,
 * no limit". */
static void fill_in(struct text *text, const char *template, const struct snapshot *snapshot)
{
    size_t length = strcspn(template, "{");

    while (template[length] != '\0') {
        const struct figure *figure = find(template + length + 1);

        if (strncmp(template, " of {", 5) == 0 && is_unlimited(figure, snapshot))
            text_add(text, ", ");
        else
            text_add(text, "%.*s", (int)length, template);
        figure->kind->words(text, value_of(figure, snapshot));
        template += length + strlen(figure->name) + strlen("{}");
        length = strcspn(template, "{");
    }
    text_add(text, "%s", template);
}

static const char table[] = "state           {state}\n"
                            "command         {command}\n"
                            "version         {version}\n"
                            "process         {process}\n"
                            "up              {uptime}\n"
                            "listening on    {listeners}\n"
                            "\n"
                            "accepted        {accepted}\n"
                            "queued          {queued} of {limits.queue}\n"
                            "oldest          {oldest}\n"
                            "starting        {starting}\n"
                            "running         {running} of {limits.processes}\n"
                            "held back by    {held_back_by}\n"
                            "gates           {gates}\n"
                            "lingering       {lingering}\n"
                            "\n"
                            "served          {ended.served}\n"
                            "abandoned       {ended.abandoned}\n"
                            "denied          {ended.denied}\n"
                            "refused:\n"
                            "  queue full    {ended.refused_queue}\n"
                            "  per source    {ended.refused_source}\n"
                            "  timeout       {ended.refused_timeout}\n"
                            "dropped         {ended.dropped}\n"
                            "handed over     {ended.handed_over}\n"
                            "\n"
                            "waited          p50 {waits.p50}, p90 {waits.p90}, p99 {waits.p99}, "
                            "longest {waits.longest} of {waits.of}\n"
                            "waited in vain  p50 {unserved.p50}, p90 {unserved.p90}, "
                            "p99 {unserved.p99}, longest {unserved.longest} of {unserved.of}\n"
                            "ran             p50 {runs.p50}, p90 {runs.p90}, p99 {runs.p99}, "
                            "longest {runs.longest} of {runs.of}\n"
                            "exits           success {exits.success}, failure {exits.failure}, "
                            "signal {exits.signal}, unknown {exits.unknown}\n"
                            "failed starts   {start_failures}\n"
                            "start error     {last_start_error}\n"
                            "dispatchers     {dispatchers.ready} of {dispatchers.wanted} ready, "
                            "{dispatchers.restarts} replaced\n"
                            "descriptors     {descriptors.used} of {descriptors.allowed}\n"
                            "log             {log}\n"
                            "log lines lost  {log_lines_dropped}\n"
                            "sources         {sources}\n"
                            "\n"
                            "queue timeout   {limits.queue_timeout}\n"
                            "per source      {limits.per_source}\n"
                            "load average    {limits.load_average}\n"
                            "rate of starts  {limits.rate}\n"
                            "\n"
                            "busiest         {busiest}\n";

/* A figure that the template leaves out stands at the end, under its own name. */
void figures_table(struct text *text, const struct snapshot *snapshot)
{
    fill_in(text, table, snapshot);
    for (size_t i = 0; i < FIGURES; i++) {
        if (names_figure(table, &figures[i]))
            continue;
        text_add(text, "%-15s ", figures[i].name);
        figures[i].kind->words(text, value_of(&figures[i], snapshot));
        text_add(text, "\n");
    }
}

/* ---- lines for the log and the service manager ---- */

static const char counts[] =
    "accepted {accepted}, queued {queued}, starting {starting}, running {running}, "
    "served {ended.served}, abandoned {ended.abandoned}, denied {ended.denied}, "
    "refused-queue {ended.refused_queue}, refused-source {ended.refused_source}, "
    "refused-timeout {ended.refused_timeout}, dropped {ended.dropped}, "
    "handed-over {ended.handed_over}, lingering {lingering}, sources {sources}";

void figures_log(const struct snapshot *snapshot)
{
    const struct snapshot_choice *reason = &snapshot->held_back_by;
    struct log_field fields[FIGURES + 1];
    char line[LOG_LINE_MAXIMUM];
    struct text text;
    size_t count = 0;

    for (size_t i = 0; i < FIGURES; i++) {
        const char *name = figures[i].name;

        if (name != NULL && figures[i].kind == &kind_number && names_figure(counts, &figures[i]))
            fields[count++] = (struct log_field)LOG_NUMBER(
                name + object_length(name) + (strchr(name, '.') != NULL),
                *(const double *)value_of(&figures[i], snapshot));
    }
    fields[count++] =
        (struct log_field)LOG_TEXT("held_back_by", reason->words[reason->chosen].name);
    text_open(&text, line, sizeof(line));
    fill_in(&text, counts, snapshot);
    log_event(LOG_LEVEL_ANSWER, "status", fields, count, "status: %s, held back by %s", line,
              reason->words[reason->chosen].name);
}

void figures_summary(struct text *text, const struct snapshot *snapshot)
{
    const double running = snapshot->starting + snapshot->running;

    if (snapshot->state.chosen != 0)
        text_add(text, "%s: ", snapshot->state.words[snapshot->state.chosen].name);
    text_add(text, "%.0f waiting, %.0f ", snapshot->queued, running);
    if (isfinite(snapshot->limits.processes))
        text_add(text, "of %.0f handlers running", snapshot->limits.processes);
    else
        text_add(text, "handler%s running", running == 1 ? "" : "s");
}
