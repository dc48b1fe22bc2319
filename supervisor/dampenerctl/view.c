#include "supervisor/dampenerctl/view.h"

#include "supervisor/dampenerctl/history.h"
#include "supervisor/dampenerctl/lines.h"

/* A line of the view in the order from top to bottom. */
struct entry {
    void (*draw)(struct line *line); /* NULL: an empty line, or the source with that number */
    int source;                      /* -1: none */
    unsigned importance;             /* those with the least number stay longest */
};

enum { EMPTY_LINE = 100, KEYS = 90, SOURCES = 20 };

enum { ENTRIES_MAXIMUM = 16 + STATUS_BUSIEST };

struct entries {
    struct entry list[ENTRIES_MAXIMUM];
    size_t count;
};

static void add(struct entries *entries, unsigned importance, void (*draw)(struct line *line))
{
    entries->list[entries->count++] = (struct entry){draw, -1, importance};
}

static void collect(struct entries *entries, const struct view *view, const struct status *status)
{
    *entries = (struct entries){.count = 0};
    add(entries, 0, lines_title);
    if (view->trouble != NULL)
        add(entries, 1, lines_trouble);
    if (view->status != NULL) {
        add(entries, 3, lines_running);
        add(entries, 2, lines_queued);
        add(entries, 6, lines_rates);
        add(entries, 4, lines_held_back);
        add(entries, EMPTY_LINE, NULL);
        add(entries, 5, history_queued);
        add(entries, 7, history_served);
        add(entries, 8, lines_waits);
        add(entries, 12, lines_runs);
        if (lines_has_refusals(status))
            add(entries, 9, lines_refusals);
        if (lines_has_failures(status))
            add(entries, 10, lines_failures);
        add(entries, EMPTY_LINE + 1, NULL);
    }
    for (size_t i = 0; i < status->busiest_count; i++)
        entries->list[entries->count++] = (struct entry){NULL, (int)i, SOURCES + (unsigned)i};
    if (view->live)
        add(entries, KEYS, lines_keys);
}

/* No two entries are of the same importance. */
static size_t more_important(const struct entries *entries, const struct entry *entry)
{
    size_t count = 0;

    for (size_t i = 0; i < entries->count; i++)
        count += entries->list[i].importance < entry->importance;
    return count;
}

void view_draw(struct screen *screen, const struct view *view)
{
    static const struct status nothing = {.listener_count = 0};
    struct entries entries;
    struct line line = {
        .screen = screen, .view = view, .status = view->status != NULL ? view->status : &nothing};

    collect(&entries, view, line.status);
    for (size_t i = 0; i < entries.count; i++) {
        const struct entry *entry = &entries.list[i];

        if (more_important(&entries, entry) >= screen->rows)
            continue;
        line.column = 0;
        line.full = false;
        if (entry->source >= 0)
            lines_source(&line, (size_t)entry->source);
        else if (entry->draw != NULL)
            entry->draw(&line);
        line.row++;
    }
}
