/*
 * exposition.h - reads metrics in the text format of Prometheus, version 0.0.4, and accepts nothing
 * that our daemon should not write: exits with 1 where that is so, after a line that says why.
 *
 * Stricter than the format, which permits what no good exporter does: each family has one HELP and
 * one TYPE, in this order, right before its samples; there are no timestamps, no empty lines and no
 * other comments; counters, and nothing else, end in _total; a histogram has no label but le.
 */
#ifndef TESTS_SHARED_EXPOSITION_H
#define TESTS_SHARED_EXPOSITION_H

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LABELS = 16, LABEL = 256, NAME = 128, KEY = 1024, SAMPLES = 1024 };

enum type { NONE, COUNTER, GAUGE, HISTOGRAM };

struct family {
    char name[NAME];
    enum type type;
    unsigned samples;
    double bound; /* of the last bucket */
    double buckets;
    bool is_complete; /* the bucket +Inf was there */
    bool has_sum;
    bool has_count;
};

struct sample {
    char key[KEY]; /* name and labels, these in order */
    double value;
    bool rises;
};

struct exposition {
    struct sample samples[SAMPLES];
    unsigned count;
    char families[SAMPLES][NAME]; /* their names */
    unsigned family_count;
    struct family now;
};

struct label {
    char name[LABEL];
    char value[LABEL];
};

static unsigned line_number = 1;

__attribute__((format(printf, 1, 2))) static _Noreturn void refuse(const char *format, ...)
{
    va_list arguments;

    (void)fprintf(stderr, "line %u: ", line_number);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    exit(1);
}

/* ---- words ---- */

/* Takes a name off the line: of a metric, with colons, or of a label. */
static void take_name(const char **line, char *name, size_t size, bool colons)
{
    size_t length = 0;

    while (isalnum((unsigned char)(*line)[length]) || (*line)[length] == '_' ||
           (colons && (*line)[length] == ':'))
        length++;
    if (length == 0 || isdigit((unsigned char)**line))
        refuse("there is no name at '%.20s'", *line);
    if (length >= size)
        refuse("the name at '%.20s' is too long", *line);
    memcpy(name, *line, length);
    name[length] = '\0';
    *line += length;
}

static bool ends_in(const char *name, const char *end)
{
    size_t length = strlen(name);

    return length >= strlen(end) && strcmp(name + length - strlen(end), end) == 0;
}

static bool take(const char **line, char byte)
{
    if (**line != byte)
        return false;
    ++*line;
    return true;
}

static double take_value(const char *text)
{
    char *end;
    double value;

    if (strcmp(text, "+Inf") == 0)
        return (double)INFINITY;
    if (strcmp(text, "-Inf") == 0)
        return (double)-INFINITY;
    if (strcmp(text, "NaN") == 0)
        return (double)NAN;
    if (*text == '\0' || text[strspn(text, "0123456789.eE+-")] != '\0')
        refuse("'%.40s' is no value", text);
    errno = 0;
    value = strtod(text, &end);
    if (*end != '\0' || errno != 0)
        refuse("'%.40s' is no value", text);
    return value;
}

/* ---- labels ---- */

/* The quoted value; it stays escaped, as all comparisons may. */
static void take_label_value(const char **line, char value[LABEL])
{
    size_t length = 0;

    if (!take(line, '"'))
        refuse("the value of a label is not quoted");
    while (**line != '"' && **line != '\0') {
        if (**line == '\\') {
            value[length++] = *(*line)++;
            if (**line == '\0' || strchr("\\\"n", **line) == NULL)
                refuse("'\\%c' is no escape", **line);
        }
        value[length++] = *(*line)++;
        if (length >= LABEL - 2)
            refuse("a label is too long");
    }
    value[length] = '\0';
    if (!take(line, '"'))
        refuse("the value of a label has no end");
}

static unsigned take_labels(const char **line, struct label labels[LABELS])
{
    unsigned count = 0;

    if (!take(line, '{'))
        return 0;
    do {
        if (count == LABELS)
            refuse("too many labels");
        take_name(line, labels[count].name, LABEL, false);
        if (strncmp(labels[count].name, "__", 2) == 0)
            refuse("the label %s is reserved", labels[count].name);
        if (!take(line, '='))
            refuse("the label %s has no value", labels[count].name);
        take_label_value(line, labels[count++].value);
    } while (take(line, ','));
    if (!take(line, '}'))
        refuse("the labels have no end");
    return count;
}

static int compare_labels(const void *one, const void *other)
{
    return strcmp(((const struct label *)one)->name, ((const struct label *)other)->name);
}

static void make_key(char key[KEY], const char *name, struct label *labels, unsigned count)
{
    size_t length = (size_t)snprintf(key, KEY, "%s", name);

    qsort(labels, count, sizeof(*labels), compare_labels);
    for (unsigned i = 0; i < count; i++) {
        if (i > 0 && strcmp(labels[i - 1].name, labels[i].name) == 0)
            refuse("the label %s is there twice", labels[i].name);
        if (length + strlen(labels[i].name) + strlen(labels[i].value) + 2 >= KEY)
            refuse("the labels are too long");
        length += (size_t)snprintf(key + length, KEY - length, "\n%s=%s", labels[i].name,
                                   labels[i].value);
    }
}

/* ---- families ---- */

static void end_family(const struct family *family)
{
    if (family->name[0] == '\0')
        return;
    if (family->type == NONE)
        refuse("%s has no TYPE", family->name);
    if (family->type != HISTOGRAM)
        return;
    if (!family->is_complete)
        refuse("%s has no bucket of +Inf", family->name);
    if (!family->has_sum || !family->has_count)
        refuse("%s has no _sum or no _count", family->name);
}

static void take_help(struct exposition *read, const char *line)
{
    end_family(&read->now);
    read->now = (struct family){.bound = (double)-INFINITY};
    take_name(&line, read->now.name, NAME, true);
    for (unsigned i = 0; i < read->family_count; i++)
        if (strcmp(read->families[i], read->now.name) == 0)
            refuse("%s has a second HELP", read->now.name);
    if (read->family_count == SAMPLES)
        refuse("too many families");
    memcpy(read->families[read->family_count++], read->now.name, NAME);
    if (!take(&line, ' ') || *line == '\0')
        refuse("%s is not explained", read->now.name);
    for (; *line != '\0'; line++)
        if (*line == '\\' && *++line != '\\' && *line != 'n')
            refuse("'\\%c' is no escape", *line);
}

static void take_type(struct family *family, const char *line)
{
    static const char *const types[] = {
        [COUNTER] = " counter", [GAUGE] = " gauge", [HISTOGRAM] = " histogram"};
    char name[NAME];

    take_name(&line, name, NAME, true);
    if (strcmp(name, family->name) != 0)
        refuse("the TYPE of %s does not follow its HELP", name);
    if (family->type != NONE)
        refuse("%s has a second TYPE", name);
    for (int i = COUNTER; i <= HISTOGRAM; i++)
        if (strcmp(line, types[i]) == 0)
            family->type = (enum type)i;
    if (family->type == NONE)
        refuse("'%.40s' is no type", line);
    if ((family->type == COUNTER) != ends_in(name, "_total"))
        refuse("%s: counters end in _total, and nothing else does", name);
    if (ends_in(name, "_bucket") || ends_in(name, "_sum") || ends_in(name, "_count"))
        refuse("%s ends like a part of a histogram", name);
}

/* ---- samples ---- */

static void check_bucket(struct family *family, const struct label *labels, unsigned count,
                         double value)
{
    double bound;

    if (count != 1 || strcmp(labels[0].name, "le") != 0)
        refuse("a bucket of %s has other labels than le", family->name);
    bound = take_value(labels[0].value);
    if (!(bound > family->bound))
        refuse("the bounds of %s do not rise", family->name);
    if (value < family->buckets)
        refuse("the buckets of %s are not cumulative", family->name);
    family->bound = bound;
    family->buckets = value;
    family->is_complete = isinf(bound);
}

static void check_histogram(struct family *family, const char *part, const struct label *labels,
                            unsigned count, double value)
{
    if (strcmp(part, "_sum") != 0 && (double)(uint64_t)value != value)
        refuse("%s%s is no whole number", family->name, part);
    if (strcmp(part, "_bucket") == 0) {
        check_bucket(family, labels, count, value);
    } else if (strcmp(part, "_sum") == 0 && count == 0) {
        family->has_sum = true;
    } else if (strcmp(part, "_count") == 0 && count == 0) {
        family->has_count = true;
        if (!family->is_complete || value != family->buckets)
            refuse("the bucket +Inf of %s is not its count", family->name);
    } else {
        refuse("%s%s is no part of a histogram", family->name, part);
    }
}

static void enter(struct exposition *read, const struct sample *sample)
{
    for (unsigned i = 0; i < read->count; i++)
        if (strcmp(read->samples[i].key, sample->key) == 0)
            refuse("a sample is there twice");
    if (read->count == SAMPLES)
        refuse("too many samples");
    read->samples[read->count++] = *sample;
    read->now.samples++;
}

static void take_sample(struct exposition *read, const char *line)
{
    struct family *family = &read->now;
    size_t length = strlen(family->name);
    struct label labels[LABELS];
    struct sample sample;
    char name[NAME];
    unsigned count;

    take_name(&line, name, NAME, true);
    count = take_labels(&line, labels);
    if (!take(&line, ' '))
        refuse("behind %s there is no blank and value", name);
    sample.value = take_value(line);
    if (family->type == NONE || strncmp(name, family->name, length) != 0 ||
        (family->type != HISTOGRAM && name[length] != '\0'))
        refuse("%s does not stand behind its HELP and TYPE", name);
    sample.rises = family->type != GAUGE;
    if (sample.rises && !(sample.value >= 0 && isfinite(sample.value)))
        refuse("%s counts, and is %g", name, sample.value);
    make_key(sample.key, name, labels, count);
    if (family->type == HISTOGRAM)
        check_histogram(family, name + length, labels, count, sample.value);
    enter(read, &sample);
}

static void read_line(struct exposition *read, const char *line)
{
    for (const char *at = line; *at != '\0'; at++)
        if (iscntrl((unsigned char)*at))
            refuse("there is a control character");
    if (strncmp(line, "# HELP ", 7) == 0)
        take_help(read, line + 7);
    else if (strncmp(line, "# TYPE ", 7) == 0)
        take_type(&read->now, line + 7);
    else
        take_sample(read, line);
}

/* ---- all of it ---- */

static void read_exposition(struct exposition *read, char *text)
{
    read->count = 0;
    read->family_count = 0;
    read->now = (struct family){0};
    while (*text != '\0') {
        char *end = strchr(text, '\n');

        if (end == NULL)
            refuse("the last line has no end");
        *end = '\0';
        read_line(read, text);
        text = end + 1;
        line_number++;
    }
    end_family(&read->now);
    if (read->count == 0)
        refuse("there is no sample");
}

#endif
