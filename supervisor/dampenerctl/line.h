/*
 * line.h - a line of a view while it is drawn: a label, and parts with blanks between them.
 *
 * A part that does not fit into what is left of the row is left out, and with it all behind it.
 */
#ifndef DAMPENERCTL_LINE_H
#define DAMPENERCTL_LINE_H

#include "supervisor/dampenerctl/screen.h"
#include "supervisor/dampenerctl/view.h"

enum {
    LINE_LABEL_WIDTH = 9, /* with a blank behind it */
    LINE_WIDE = 60        /* from so many columns on, there is room for words */
};

struct line {
    struct screen *screen;
    const struct view *view;
    const struct status *status; /* never NULL */
    unsigned row, column;
    bool full; /* a part did not fit */
};

void line_put_label(struct line *line, const char *text);

/* The next part.  The first one is cut rather than left out. */
__attribute__((format(printf, 3, 4))) void line_put(struct line *line, enum screen_style style,
                                                    const char *format, ...);

/* A bar that leaves so many columns free behind it; none if a figure is not known or the limit not
 * finite. */
void line_put_bar(struct line *line, enum screen_style style, double value, double limit,
                  unsigned reserved);

#endif
