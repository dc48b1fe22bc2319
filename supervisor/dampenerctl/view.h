/*
 * view.h - one frame of "top": the figures of a daemon on a screen of a given size.
 *
 * Pure: a frame follows from its arguments alone.  A screen with too few rows shows the most
 * important lines; a row that is too short shows the first parts of its line.
 */
#ifndef DAMPENERCTL_VIEW_H
#define DAMPENERCTL_VIEW_H

#include "supervisor/dampenerctl/answer.h"
#include "supervisor/dampenerctl/frame.h"
#include "supervisor/dampenerctl/samples.h"

struct view {
    const char *answer; /* the last one, or NULL */
    const struct samples *samples;
    const char *trouble; /* why there is nothing newer, or NULL */
    bool live;           /* the view is refreshed, and takes keys */
    const char *note;    /* in place of the keys: a question, or what has become of it; or NULL */
    bool asks;           /* the note is a question, or a failure */
};

/* Draws into an open, empty frame, and closes it. */
void view_draw(struct frame *frame, const struct view *view);

#endif
