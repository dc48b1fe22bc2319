#include "supervisor/server/adjust.h"

#include "dispatcher/shared/log.h"
#include "supervisor/options/setting.h"

#include <stdio.h>
#include <string.h>

/* ---- what depends on an option ---- */

static void queue_changed(struct server *server)
{
    queue_limit(&server->queue);
}

static void per_source_changed(struct server *server)
{
    clients_set_per_source(&server->queue.clients, server->options->per_source);
}

static void rate_changed(struct server *server)
{
    gates_set_rate(&server->gates, server->loop.now);
}

static void load_average_changed(struct server *server)
{
    gates_set_load(&server->gates);
}

/* ---- without limit ---- */

static void lift_processes(struct options *options)
{
    options->processes = 0;
}

static void lift_queue(struct options *options)
{
    options->queue = OPTIONS_QUEUE_MAXIMUM;
}

static void lift_queue_timeout(struct options *options)
{
    options->queue_timeout = 0;
}

static void lift_per_source(struct options *options)
{
    options->per_source = OPTIONS_NONE;
}

static void lift_load_average(struct options *options)
{
    options->gates[ADMISSION_GATE_LOAD].given = false;
}

static void lift_rate(struct options *options)
{
    options->rate = OPTIONS_NONE;
}

/* ---- all of them ---- */

static const struct adjustable {
    const char *name; /* of the option, too */
    void (*lift)(struct options *options);
    void (*changed)(struct server *server); /* NULL: it is looked at whenever it matters */
} adjustables[] = {
    {.name = "processes", .lift = lift_processes},
    {.name = "queue", .lift = lift_queue, .changed = queue_changed},
    {.name = "queue-timeout", .lift = lift_queue_timeout},
    {.name = "per-source", .lift = lift_per_source, .changed = per_source_changed},
    {.name = "load-average", .lift = lift_load_average, .changed = load_average_changed},
    {.name = "rate", .lift = lift_rate, .changed = rate_changed},
};

enum {
    ADJUSTABLES = sizeof(adjustables) / sizeof(*adjustables),
    SHOWN = 64 /* bytes of a wrong word */
};

void adjust_names(struct text *text)
{
    for (unsigned i = 0; i < ADJUSTABLES; i++)
        text_add(text, "%s%s", i == 0 ? "" : ", ", adjustables[i].name);
}

static const struct adjustable *named(const char *name)
{
    for (unsigned i = 0; i < ADJUSTABLES; i++)
        if (strcmp(adjustables[i].name, name) == 0)
            return &adjustables[i];
    return NULL;
}

/* As on the command line; the options stay as they were if the value is wrong. */
static bool apply(struct options *options, const struct adjustable *adjustable, const char *value,
                  struct text *text)
{
    const struct setting *other;
    const struct setting *setting =
        setting_named(adjustable->name, strlen(adjustable->name), &other);
    struct options changed = *options;
    char expected[SETTING_TEXT_MAXIMUM];
    char word[64];

    if (strcmp(value, "none") == 0) {
        adjustable->lift(options);
        return true;
    }
    /* What does not fit is no value: none that is right is as long. */
    (void)snprintf(word, sizeof(word), "%s", strlen(value) < sizeof(word) ? value : "");
    if (setting_apply(setting, &changed, word, expected)) {
        *options = changed;
        return true;
    }
    text_add(text, "%s: '%.*s': %s, or none\n", adjustable->name, SHOWN, value, expected);
    return false;
}

bool adjust_set(struct server *server, const char *name, const char *value, struct text *text)
{
    const struct adjustable *adjustable = named(name);

    if (adjustable == NULL) {
        text_add(text, "'%.*s' cannot be set: expected one of ", SHOWN, name);
        adjust_names(text);
        text_add(text, "\n");
        return false;
    }
    if (adjustable->lift == lift_load_average && !gates_has_load(&server->gates)) {
        text_add(text, "%s: this process cannot read /proc/loadavg\n", name);
        return false;
    }
    if (!apply(server->options, adjustable, value, text))
        return false;
    if (adjustable->changed != NULL)
        adjustable->changed(server);
    log_info("the operator has set %s to %s", name, value);
    text_add(text, "%s is %s now\n", name, value);
    return true;
}
