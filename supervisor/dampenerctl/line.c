#include "supervisor/dampenerctl/line.h"

#include "supervisor/dampenerctl/bars.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { GAP = 2, BAR_MINIMUM = 6 /* with its brackets */, BAR_MAXIMUM = 44 };

void line_put_label(struct line *line, const char *text)
{
    (void)screen_put(line->screen, line->row, 0, SCREEN_LABEL, text);
    line->column = LINE_LABEL_WIDTH;
}

void line_put(struct line *line, enum screen_style style, const char *format, ...)
{
    char text[SCREEN_COLUMNS + 1];
    unsigned gap = line->column == 0 || line->column == LINE_LABEL_WIDTH ? 0 : GAP;
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments); /* what is cut could not be shown */
    va_end(arguments);
    line->full =
        line->full || (gap > 0 && line->column + gap + strlen(text) > line->screen->columns);
    if (!line->full)
        line->column = screen_put(line->screen, line->row, line->column + gap, style, text);
}

void line_put_bar(struct line *line, enum screen_style style, double value, double limit,
                  unsigned reserved)
{
    unsigned start = line->column + GAP;
    unsigned width;

    if (!isfinite(value) || !isfinite(limit) ||
        line->screen->columns < start + reserved + BAR_MINIMUM)
        return;
    width = line->screen->columns - start - reserved - 2;
    width = width > BAR_MAXIMUM ? BAR_MAXIMUM : width;
    (void)screen_put_sign(line->screen, line->row, start, SCREEN_PLAIN, '[', 1);
    (void)screen_put_sign(line->screen, line->row, start + 1, style, SCREEN_BAR,
                          bars_filled(value, limit, width));
    line->column =
        screen_put_sign(line->screen, line->row, start + 1 + width, SCREEN_PLAIN, ']', 1);
}
