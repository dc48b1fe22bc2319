/*
 * lines.h - the lines that a view consists of, each drawn into a row of a screen.
 */
#ifndef DAMPENERCTL_LINES_H
#define DAMPENERCTL_LINES_H

#include "supervisor/dampenerctl/line.h"

/* Each draws one line. */
void lines_title(struct line *line);
void lines_trouble(struct line *line);
void lines_queued(struct line *line);
void lines_running(struct line *line);
void lines_held_back(struct line *line);
void lines_rates(struct line *line);
void lines_waits(struct line *line);
void lines_runs(struct line *line);
void lines_refusals(struct line *line);
void lines_failures(struct line *line);
void lines_keys(struct line *line);

/* One of the busiest, from 0. */
void lines_source(struct line *line, size_t number);

/* Whether there is anything to say in that line. */
bool lines_has_refusals(const struct status *status);
bool lines_has_failures(const struct status *status);

#endif
