#include "supervisor/dampenerctl/frame.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    LABEL_WIDTH = 9, /* with a blank behind it */
    GAP = 2,
    BAR_MINIMUM = 6, /* with its brackets */
    BAR_MAXIMUM = 80
};

/* ECMA-48, 8.3.117 (SGR).  What the eight colours look like is up to the terminal; cyan and yellow
 * are often illegible on white.  Those of the 256 have a contrast of 3.3 at least, on white and on
 * black. */
static const char *const styles[2][FRAME_STYLES] = {
    {[FRAME_PLAIN] = "0",
     [FRAME_LABEL] = "0;36",
     [FRAME_STRONG] = "0;1",
     [FRAME_GOOD] = "0;32",
     [FRAME_WARNING] = "0;33",
     [FRAME_BAD] = "0;31",
     [FRAME_FAINT] = "0;2"},
    {[FRAME_PLAIN] = "0",
     [FRAME_LABEL] = "0;38;5;30",
     [FRAME_STRONG] = "0;1",
     [FRAME_GOOD] = "0;38;5;28",
     [FRAME_WARNING] = "0;38;5;136",
     [FRAME_BAD] = "0;38;5;160",
     [FRAME_FAINT] = "0;2"},
};

static unsigned bounded(unsigned value, unsigned most)
{
    return value < 1 ? 1 : value > most ? most : value;
}

void frame_open(struct frame *frame, struct frame_look look, unsigned rows, unsigned columns,
                char bytes[FRAME_TEXT])
{
    *frame = (struct frame){
        .look = look,
        .rows = bounded(rows, FRAME_ROWS),
        .columns = bounded(columns, FRAME_COLUMNS),
    };
    text_open(&frame->text, bytes, FRAME_TEXT);
}

/* ---- signs ---- */

static void set_style(struct frame *frame, enum frame_style style)
{
    if (frame->look.placed && frame->look.colours && style != frame->style)
        text_add(&frame->text, "\033[%sm", styles[frame->look.many][style]);
    frame->style = style;
}

static void print_sign(struct text *text, unsigned sign, bool blocks)
{
    static const char ascii[] = "_.-=+*#@#";

    if (sign < ' ' || sign == 0x7f || sign > FRAME_BAR)
        text_add(text, "?");
    else if (sign < FRAME_LEVEL)
        text_add(text, "%c", (char)sign);
    else if (!blocks)
        text_add(text, "%c", ascii[sign - FRAME_LEVEL]);
    else /* U+2581, one eighth, to U+2588, the full block */
        text_add(text, "\xe2\x96%c", sign == FRAME_BAR ? 0x88 : (char)(0x81 + sign - FRAME_LEVEL));
}

void frame_sign(struct frame *frame, enum frame_style style, unsigned sign, unsigned count)
{
    for (; count > 0 && frame->column < frame->columns; count--, frame->column++) {
        if (sign == ' ')
            continue;
        for (; !frame->look.placed && frame->ended + 1 < frame->row; frame->ended++)
            text_add(&frame->text, "\n");
        text_add(&frame->text, "%*s", (int)(frame->column - frame->written), "");
        set_style(frame, style);
        print_sign(&frame->text, sign, frame->look.blocks);
        frame->written = frame->column + 1;
    }
}

/* ---- rows ---- */

static void end_row(struct frame *frame)
{
    set_style(frame, FRAME_PLAIN);
    /* After a full row the cursor stands on the last column, and would erase it. */
    if (frame->look.placed && frame->row > 0 && frame->written < frame->columns)
        text_add(&frame->text, "\033[K");
    frame->column = frame->written = 0;
}

void frame_row(struct frame *frame, const char *label)
{
    unsigned length = label == NULL ? 0 : (unsigned)strlen(label);

    end_row(frame);
    frame->row++;
    if (frame->look.placed)
        text_add(&frame->text, "\033[%u;1H", frame->row);
    frame->first = 0;
    frame->full = false;
    if (label == NULL)
        return;
    frame_part(frame, FRAME_LABEL, "%s", label);
    frame->first = length < LABEL_WIDTH ? LABEL_WIDTH : length + 1;
    frame->column = frame->first;
}

void frame_close(struct frame *frame)
{
    end_row(frame);
    if (!frame->look.placed)
        text_add(&frame->text, "\n");
    else if (frame->row < frame->rows)
        text_add(&frame->text, "\033[%u;1H\033[J", frame->row + 1);
}

/* ---- parts ---- */

void frame_part(struct frame *frame, enum frame_style style, const char *format, ...)
{
    char text[FRAME_COLUMNS + 1];
    unsigned gap = frame->column == frame->first ? 0 : GAP;
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments); /* the rest would not fit the frame */
    va_end(arguments);
    frame->full = frame->full || (gap > 0 && frame->column + gap + strlen(text) > frame->columns);
    if (frame->full)
        return;
    frame->column += gap;
    for (const char *at = text; *at != '\0'; at++)
        frame_sign(frame, style, (unsigned char)*at < 0x80 ? (unsigned char)*at : '?', 1);
}

void frame_bar(struct frame *frame, enum frame_style style, double value, double limit,
               unsigned reserved)
{
    unsigned start = frame->column + GAP;
    unsigned width;
    unsigned filled;

    if (!isfinite(value) || !isfinite(limit) || frame->columns < start + reserved + BAR_MINIMUM)
        return;
    width = frame->columns - start - reserved - 2;
    width = width > BAR_MAXIMUM ? BAR_MAXIMUM : width;
    filled = frame_filled(value, limit, width);
    frame->column = start;
    frame_sign(frame, FRAME_PLAIN, '[', 1);
    frame_sign(frame, style, FRAME_BAR, filled);
    frame_sign(frame, FRAME_PLAIN, ' ', width - filled);
    frame_sign(frame, FRAME_PLAIN, ']', 1);
}

unsigned frame_filled(double value, double limit, unsigned width)
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
