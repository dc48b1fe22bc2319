/*
 * kind.h - how a figure of each kind is written in each rendering.
 *
 * `value` points to the member of struct snapshot that the kind names.
 */
#ifndef SUPERVISOR_FIGURES_KIND_H
#define SUPERVISOR_FIGURES_KIND_H

#include "dispatcher/shared/text.h"

struct kind {
    void (*json)(struct text *text, const void *value);
    /* The samples of Prometheus, without help and type. */
    void (*sample)(struct text *text, const char *metric, const char *label, const void *value);
    void (*words)(struct text *text, const void *value); /* NULL: people see it in another figure */
    /* Whole lines that begin with the name.  NULL: one line, with the name and the words. */
    void (*line)(struct text *text, const char *name, const void *value);
};

/* Behind each name: the C type of the member; then what `label` of sample() is for this kind. */
extern const struct kind kind_number;     /* double; whole, such as how="served", or NULL */
extern const struct kind kind_time;       /* double, in seconds; as above */
extern const struct kind kind_text;       /* const char *; the name of the label, the metric is 1 */
extern const struct kind kind_choice;     /* struct snapshot_choice; the name of the label */
extern const struct kind kind_vocabulary; /* struct snapshot_choice; as above.  The words: a program
                                           * gets those that apply, the metric has all of them */
extern const struct kind kind_error;      /* struct snapshot_error; the name of the label */
extern const struct kind kind_rate;       /* struct snapshot_rate; no metric */
extern const struct kind kind_histogram;  /* const struct histogram *; unused, only a metric */
extern const struct kind kind_list;       /* struct snapshot_list; which of the counts */

#endif
