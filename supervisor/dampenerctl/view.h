/*
 * view.h - one frame of "top": what is shown of a daemon in a screen of this size.
 *
 * Pure: a frame follows from its arguments alone.  If the screen has too few rows, the lines that
 * matter least are left out; of a line that is too long, its last parts.
 */
#ifndef DAMPENERCTL_VIEW_H
#define DAMPENERCTL_VIEW_H

#include "supervisor/dampenerctl/samples.h"
#include "supervisor/dampenerctl/screen.h"
#include "supervisor/dampenerctl/status.h"

struct view {
    const struct status *status; /* the last one known, or NULL */
    const struct samples *samples;
    const char *trouble; /* why nothing newer is known, or NULL */
    bool live;           /* it is shown again and again, and can be left by a key */
};

/* The screen is opened. */
void view_draw(struct screen *screen, const struct view *view);

#endif
