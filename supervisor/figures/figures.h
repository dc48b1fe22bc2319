/*
 * figures.h - the one table of figures, and all texts that are made from it.
 *
 * A new figure takes one place in struct snapshot with the line that fills it in, and one entry in
 * the table: then JSON, Prometheus, the table for people and the lines for programs show it.
 * Fields, metrics and names are described in socket-burst-dampener(5).  They keep their meaning
 * from version to version.  Pure: a text follows from the snapshot.
 */
#ifndef SUPERVISOR_FIGURES_FIGURES_H
#define SUPERVISOR_FIGURES_FIGURES_H

#include "dispatcher/shared/text.h"
#include "supervisor/figures/snapshot.h"

#define FIGURES_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define FIGURES_JSON_TYPE    "application/json"

typedef void figures_renderer(struct text *text, const struct snapshot *snapshot);

figures_renderer figures_json;    /* one object, in one line */
figures_renderer figures_metrics; /* the text format of Prometheus */
figures_renderer figures_lines;   /* a line "NAME VALUE" for each, in words, for dampenerctl */
figures_renderer figures_table;   /* for people */
figures_renderer figures_summary; /* half a line, for the service manager */

/* Writes the counts to the log as one line, whatever the log level. */
void figures_log(const struct snapshot *snapshot);

#endif
