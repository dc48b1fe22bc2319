#include "supervisor/figures/kind.h"

#include "supervisor/base/loop.h"
#include "supervisor/figures/snapshot.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { INDENT = 16, NAME_WIDTH = 32 }; /* columns of the table for people */

/* ---- numbers ---- */

static double number_of(const void *value)
{
    return *(const double *)value;
}

/* Counts have up to 15 digits, and times are whole microseconds: both come out exact. */
static void add_number(struct text *text, double number, const char *unknown, const char *unlimited)
{
    if (isnan(number))
        text_add(text, "%s", unknown);
    else if (isinf(number))
        text_add(text, "%s", unlimited);
    else
        text_add(text, "%.15g", number);
}

static void number_json(struct text *text, const void *value)
{
    add_number(text, number_of(value), "null", "null");
}

static void number_sample(struct text *text, const char *metric, const char *label,
                          const void *value)
{
    text_add(text, label == NULL ? "dampener_%s%s " : "dampener_%s{%s} ", metric,
             label == NULL ? "" : label);
    add_number(text, number_of(value), "0", "+Inf");
    text_add(text, "\n");
}

static void number_words(struct text *text, const void *value)
{
    add_number(text, number_of(value), "-", "no limit");
}

/* In six characters or less: 120ms, 3.2s, 5m07s, 3d04h. */
static void time_words(struct text *text, const void *value)
{
    const double seconds = number_of(value);
    static const struct {
        unsigned below, size, part_size; /* in seconds; the size is that of the greater unit */
        char unit, part;
    } forms[] = {
        {3600, 60, 1, 'm', 's'}, {86400, 3600, 60, 'h', 'm'}, {8640000, 86400, 3600, 'd', 'h'}};
    size_t form = 0;

    if (!isfinite(seconds) || seconds >= 99999.0 * 86400)
        text_add(text, "%s", isnan(seconds) ? "-" : isinf(seconds) ? "none" : "ages");
    else if (seconds < 0.9995)
        text_add(text, "%.0fms", seconds * 1000);
    else if (seconds < 59.95)
        text_add(text, "%.1fs", seconds);
    else if (seconds >= 8640000)
        text_add(text, "%ud", (unsigned)(seconds / 86400));
    else {
        while (seconds >= forms[form].below)
            form++;
        text_add(text, "%u%c%02u%c", (unsigned)seconds / forms[form].size, forms[form].unit,
                 (unsigned)seconds % forms[form].size / forms[form].part_size, forms[form].part);
    }
}

const struct kind kind_number = {number_json, number_sample, number_words, NULL};
const struct kind kind_time = {number_json, number_sample, time_words, NULL};

/* ---- words ---- */

/* Neither a line for programs nor a terminal may get a control character out of a name. */
static void add_printable(struct text *text, const char *string)
{
    for (; *string != '\0'; string++)
        text_add(text, "%c", (unsigned char)*string < ' ' || *string == 0x7f ? '?' : *string);
}

static void text_json(struct text *text, const void *value)
{
    text_add_json(text, *(const char *const *)value);
}

static void text_sample(struct text *text, const char *metric, const char *label, const void *value)
{
    text_add(text, "dampener_%s{%s=\"%s\"} 1\n", metric, label, *(const char *const *)value);
}

static void text_words(struct text *text, const void *value)
{
    add_printable(text, *(const char *const *)value);
}

const struct kind kind_text = {text_json, text_sample, text_words, NULL};

static const struct snapshot_word *chosen(const struct snapshot_choice *choice)
{
    return &choice->words[choice->chosen];
}

static void choice_json(struct text *text, const void *value)
{
    text_add(text, "\"%s\"", chosen(value)->name);
}

static void choice_sample(struct text *text, const char *metric, const char *label,
                          const void *value)
{
    const struct snapshot_choice *choice = value;

    for (size_t i = 0; i < choice->count; i++)
        text_add(text, "dampener_%s{%s=\"%s\"} %d\n", metric, label, choice->words[i].name,
                 i == choice->chosen);
}

static void choice_words(struct text *text, const void *value)
{
    text_add(text, "%s", chosen(value)->words);
}

const struct kind kind_choice = {choice_json, choice_sample, choice_words, NULL};

/* Programs that show a choice to people need its words. */
static void vocabulary_json(struct text *text, const void *value)
{
    text_add_json(text, chosen(value)->words);
}

static void vocabulary_sample(struct text *text, const char *metric, const char *label,
                              const void *value)
{
    const struct snapshot_choice *choice = value;

    for (size_t i = 0; i < choice->count; i++)
        text_add(text, "dampener_%s{%s=\"%s\",words=\"%s\"} 1\n", metric, label,
                 choice->words[i].name, choice->words[i].words);
}

const struct kind kind_vocabulary = {.json = vocabulary_json, .sample = vocabulary_sample};

/* ---- the last failure ---- */

static void error_json(struct text *text, const void *value)
{
    const struct snapshot_error *error = value;

    if (error->text == NULL) {
        text_add(text, "null");
        return;
    }
    text_add(text, "{\"error\":");
    text_add_json(text, error->text);
    text_add(text, ",\"ago\":");
    number_json(text, &error->ago);
    text_add(text, "}");
}

static void error_sample(struct text *text, const char *metric, const char *label,
                         const void *value)
{
    const struct snapshot_error *error = value;

    if (error->text != NULL)
        text_add(text, "dampener_%s{%s=\"%s\"} %.15g\n", metric, label, error->text, error->at);
}

static void error_words(struct text *text, const void *value)
{
    const struct snapshot_error *error = value;

    text_add(text, "%s", error->text == NULL ? "none" : error->text);
    if (error->text == NULL)
        return;
    text_add(text, ", ");
    time_words(text, &error->ago);
    text_add(text, " ago");
}

const struct kind kind_error = {error_json, error_sample, error_words, NULL};

/* ---- rates of starts ---- */

static void rate_json(struct text *text, const void *value)
{
    const struct snapshot_rate *rate = value;

    if (isfinite(rate->count))
        text_add(text, "{\"count\":%.15g,\"period\":%.15g}", rate->count, rate->period);
    else
        text_add(text, "null");
}

static void rate_words(struct text *text, const void *value)
{
    const struct snapshot_rate *rate = value;

    number_words(text, &rate->count);
    if (!isfinite(rate->count))
        return;
    text_add(text, " in ");
    time_words(text, &rate->period);
}

const struct kind kind_rate = {.json = rate_json, .words = rate_words};

/* ---- histograms ---- */

static void histogram_sample(struct text *text, const char *metric, const char *label,
                             const void *value)
{
    const struct histogram *histogram = *(const struct histogram *const *)value;
    uint64_t sum = 0;

    (void)label;
    for (int i = 0; i < HISTOGRAM_BOUNDS; i++) {
        sum += histogram->counts[i];
        text_add(text, "dampener_%s_bucket{le=\"%.10g\"} %" PRIu64 "\n", metric,
                 loop_seconds(histogram_bounds[i]), sum);
    }
    sum += histogram->counts[HISTOGRAM_BOUNDS];
    text_add(text, "dampener_%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", metric, sum);
    text_add(text, "dampener_%s_sum %.15g\n", metric, loop_seconds(histogram->sum));
    text_add(text, "dampener_%s_count %" PRIu64 "\n", metric, sum);
}

const struct kind kind_histogram = {.sample = histogram_sample};

/* ---- lists ---- */

static void list_json(struct text *text, const void *value)
{
    const struct snapshot_list *list = value;

    text_add(text, "[");
    for (size_t i = 0; i < list->length; i++) {
        const struct snapshot_row *row = &list->rows[i];

        text_add(text, "%s{\"%s\":", i == 0 ? "" : ",", row->key);
        text_add_json(text, row->name);
        if (!isnan(row->port))
            text_add(text, ",\"port\":%.0f", row->port);
        for (size_t k = 0; k < 2; k++) {
            text_add(text, ",\"%s\":", list->counted[k]);
            number_json(text, &row->counts[k]);
        }
        text_add(text, "}");
    }
    text_add(text, "]");
}

static void add_name(struct text *text, const struct snapshot_row *row)
{
    add_printable(text, row->name);
    if (!isnan(row->port))
        text_add(text, " port %.0f", row->port);
}

/* A line for each row: NAME COUNT COUNT TEXT. */
static void list_line(struct text *text, const char *name, const void *value)
{
    const struct snapshot_list *list = value;

    for (size_t i = 0; i < list->length; i++) {
        text_add(text, "%s ", name);
        number_words(text, &list->rows[i].counts[0]);
        text_add(text, " ");
        number_words(text, &list->rows[i].counts[1]);
        text_add(text, " ");
        add_name(text, &list->rows[i]);
        text_add(text, "\n");
    }
}

static void list_words(struct text *text, const void *value)
{
    const struct snapshot_list *list = value;

    if (list->length == 0)
        text_add(text, "%s", list->none == NULL ? "-" : list->none);
    for (size_t i = 0; i < list->length; i++) {
        size_t end;

        if (i > 0)
            text_add(text, "\n%*s", INDENT, "");
        end = text->length + NAME_WIDTH;
        add_name(text, &list->rows[i]);
        text_add(text, "%*s %s ", text->length < end ? (int)(end - text->length) : 0, "",
                 list->counted[0]);
        number_words(text, &list->rows[i].counts[0]);
        text_add(text, ", %s ", list->counted[1]);
        number_words(text, &list->rows[i].counts[1]);
    }
}

static bool is_same_place(const struct snapshot_row *one, const struct snapshot_row *other)
{
    const bool same_port = isnan(one->port) ? isnan(other->port)
                                            : one->port >= other->port && one->port <= other->port;

    return same_port && strcmp(one->name, other->name) == 0;
}

/* Several sockets may have one address, with SO_REUSEPORT or on interfaces of their own.  No sample
 * may appear twice, so the first socket at an address speaks for all of them. */
static void list_sample(struct text *text, const char *metric, const char *label, const void *value)
{
    const struct snapshot_list *list = value;
    size_t which = strcmp(label, list->counted[0]) == 0 ? 0 : 1;

    for (size_t i = 0; i < list->length; i++) {
        const struct snapshot_row *row = &list->rows[i];
        double sum = (double)NAN;
        bool first = true;

        for (size_t k = 0; k < list->length; k++) {
            double number = list->rows[k].counts[which];

            if (!is_same_place(&list->rows[k], row) || isnan(number))
                continue;
            first = first && k >= i;
            sum = isnan(sum) ? number : sum + number;
        }
        if (!first || isnan(sum))
            continue;
        text_add(text, "dampener_%s{%s=\"%s\"", metric, row->key, row->name);
        if (!isnan(row->port))
            text_add(text, ",port=\"%.0f\"", row->port);
        text_add(text, "} %.15g\n", sum);
    }
}

const struct kind kind_list = {list_json, list_sample, list_words, list_line};
