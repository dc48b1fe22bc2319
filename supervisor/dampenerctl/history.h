/*
 * history.h - lines of a view that show the last minutes as a sparkline, a sample a column.
 *
 * Each has a scale of its own: from 0 to the greatest value that is shown, which is said.
 */
#ifndef DAMPENERCTL_HISTORY_H
#define DAMPENERCTL_HISTORY_H

#include "supervisor/dampenerctl/line.h"

void history_queued(struct line *line);
void history_served(struct line *line);

#endif
