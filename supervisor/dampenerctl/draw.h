/*
 * draw.h - draws one row of a screen: a label, and parts with blanks between them.
 *
 * A part that does not fit the rest of the row is left out, together with all parts behind it.
 */
#ifndef DAMPENERCTL_DRAW_H
#define DAMPENERCTL_DRAW_H

#include "supervisor/dampenerctl/screen.h"

enum { DRAW_LEVELS = 8 };

struct draw {
    struct screen *screen;
    unsigned row, column;
    unsigned first; /* the column of the first part */
    bool full;      /* a part did not fit */
};

/* Begins a row.  Parts begin behind the label, if there is one. */
void draw_row(struct draw *draw, const char *label);

/* Puts the next part.  The first part is cut rather than left out. */
__attribute__((format(printf, 3, 4))) void draw_part(struct draw *draw, enum screen_style style,
                                                     const char *format, ...);

/* Puts a bar, and leaves `reserved` columns free behind it.  Draws nothing for an unknown value or
 * without a finite limit. */
void draw_bar(struct draw *draw, enum screen_style style, double value, double limit,
              unsigned reserved);

/* Returns how many of `width` places a bar fills: at least one for a value above 0, and all of them
 * only if the value reaches the limit. */
unsigned draw_filled(double value, double limit, unsigned width);

/* Returns the height of a column, below DRAW_LEVELS: 0 only for 0, the last only for `most`. */
unsigned draw_level(double value, double most);

#endif
