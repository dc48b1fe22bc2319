/*
 * metrics.h - the figures of the service in the text format of Prometheus, version 0.0.4: what
 * `metrics` and GET /metrics answer.
 *
 * Names, units and labels are as its guides on naming and instrumentation want them: base units,
 * counters that end in _total and never fall while the process lives, one help and one type for
 * each.
 */
#ifndef SUPERVISOR_FIGURES_METRICS_H
#define SUPERVISOR_FIGURES_METRICS_H

#include "dispatcher/shared/text.h"
#include "supervisor/server/state.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Adds all of them. */
void metrics_write(struct server *server, struct text *text);

#endif
