#include "supervisor/server/adjust.h"

#include "dispatcher/shared/log.h"
#include "supervisor/options/table.h"

#include <string.h>

enum { SHOWN = 64 /* bytes of a wrong word; no right value is as long */ };

/* Brings up to date what depends on the options.  Setting the same limit again changes nothing. */
static void follow(struct server *server)
{
    queue_limit(&server->queue);
    clients_set_per_source(&server->queue.clients, server->options->per_source);
    gates_adjust(&server->gates, server->loop.now);
}

void adjust_names(struct text *text)
{
    const struct table_entry *entry;
    const char *separator = "";

    for (size_t i = 0; (entry = table_at(i)) != NULL; i++) {
        if (!entry->settable)
            continue;
        text_add(text, "%s%s", separator, entry->name);
        separator = ", ";
    }
}

static const struct table_entry *settable(const char *name)
{
    const struct table_entry *other;
    const struct table_entry *entry = table_named(name, strlen(name), &other);

    return entry != NULL && entry->settable && strcmp(entry->name, name) == 0 ? entry : NULL;
}

bool adjust_set(struct server *server, const char *name, char *value, struct text *text)
{
    struct options_gate *load = &server->options->gates[OPTIONS_GATE_LOAD];
    const struct table_entry *entry = settable(name);
    char expected[TABLE_EXPECTED_MAXIMUM];
    char empty[] = "";

    if (entry == NULL) {
        text_add(text, "'%.*s' cannot be set: expected one of ", SHOWN, name);
        adjust_names(text);
        text_add(text, "\n");
        return false;
    }
    if (!table_apply(entry, server->options, strlen(value) < SHOWN ? value : empty, expected)) {
        text_add(text, "%s: '%.*s': %s\n", name, SHOWN, value, expected);
        return false;
    }
    if (load->given && !gates_has_load(&server->gates)) {
        load->given = false;
        text_add(text, "%s: this process cannot read /proc/loadavg\n", name);
        return false;
    }
    follow(server);
    log_info("the operator has set %s to %s", name, value);
    text_add(text, "%s is %s now\n", name, value);
    return true;
}
