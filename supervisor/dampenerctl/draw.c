#include "supervisor/dampenerctl/draw.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    LABEL_WIDTH = 9, /* with a blank behind it */
    GAP = 2,
    BAR_MINIMUM = 6, /* with its brackets */
    BAR_MAXIMUM = 44
};

void draw_row(struct draw *draw, const char *label)
{
    size_t length = label == NULL ? 0 : strlen(label);

    draw->full = false;
    draw->first = length == 0 ? 0 : length < LABEL_WIDTH ? LABEL_WIDTH : (unsigned)length + 1;
    draw->column = draw->first;
    if (label != NULL)
        (void)screen_put(draw->screen, draw->row, 0, SCREEN_LABEL, label);
}

void draw_part(struct draw *draw, enum screen_style style, const char *format, ...)
{
    char text[SCREEN_COLUMNS + 1];
    unsigned gap = draw->column == draw->first ? 0 : GAP;
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments); /* the rest would not fit the screen */
    va_end(arguments);
    draw->full =
        draw->full || (gap > 0 && draw->column + gap + strlen(text) > draw->screen->columns);
    if (!draw->full)
        draw->column = screen_put(draw->screen, draw->row, draw->column + gap, style, text);
}

void draw_bar(struct draw *draw, enum screen_style style, double value, double limit,
              unsigned reserved)
{
    unsigned start = draw->column + GAP;
    unsigned width;

    if (!isfinite(value) || !isfinite(limit) ||
        draw->screen->columns < start + reserved + BAR_MINIMUM)
        return;
    width = draw->screen->columns - start - reserved - 2;
    width = width > BAR_MAXIMUM ? BAR_MAXIMUM : width;
    (void)screen_put_sign(draw->screen, draw->row, start, SCREEN_PLAIN, '[', 1);
    (void)screen_put_sign(draw->screen, draw->row, start + 1, style, SCREEN_BAR,
                          draw_filled(value, limit, width));
    draw->column =
        screen_put_sign(draw->screen, draw->row, start + 1 + width, SCREEN_PLAIN, ']', 1);
}

unsigned draw_filled(double value, double limit, unsigned width)
{
    unsigned filled;

    if (!(value > 0) || width == 0)
        return 0;
    if (value >= limit)
        return width;
    filled = (unsigned)(value / limit * width);
    if (filled == width)
        return width - 1;
    return filled == 0 ? (width > 1) : filled;
}

unsigned draw_level(double value, double most)
{
    /* The levels between the first and the last are those of a bar that is not full. */
    return draw_filled(value, most, DRAW_LEVELS - 1);
}
