/*
 * screen.h - a frame: rows and columns of characters, each with a style.
 *
 * Whatever is put there, it cannot leave the frame, wrap, or be anything but a printable character:
 * other bytes become question marks.  Nothing is allocated, and no terminal is touched.
 */
#ifndef DAMPENERCTL_SCREEN_H
#define DAMPENERCTL_SCREEN_H

#include "dispatcher/shared/text.h"

#include <stdint.h>

enum {
    SCREEN_ROWS = 100, /* what a larger terminal has more stays empty */
    SCREEN_COLUMNS = 320
};

/* Room for any frame as screen_print() writes it: a style and a character of UTF-8 for each cell,
 * and a few bytes for each row. */
enum { SCREEN_TEXT = SCREEN_ROWS * (SCREEN_COLUMNS * 12 + 16) };

enum screen_style {
    SCREEN_PLAIN,
    SCREEN_LABEL,
    SCREEN_STRONG,
    SCREEN_GOOD,
    SCREEN_WARNING,
    SCREEN_BAD,
    SCREEN_FAINT
};

/* Signs beyond ASCII; the levels follow one another. */
enum { SCREEN_LEVEL = 0x80, SCREEN_BAR = SCREEN_LEVEL + 8 };

struct screen_cell {
    uint8_t sign;
    uint8_t style;
};

struct screen {
    unsigned rows, columns;
    struct screen_cell cells[SCREEN_ROWS][SCREEN_COLUMNS];
};

/* How it is to be written. */
struct screen_look {
    bool placed;  /* with the sequences that put it on the whole of a terminal; else as lines */
    bool colours; /* only if placed */
    bool blocks;  /* block characters, in UTF-8; else ASCII */
};

/* An empty one of this size, or of the next that can be. */
void screen_open(struct screen *screen, unsigned rows, unsigned columns);

/* Puts a text there, cut at the end of the row.  Returns the column behind it. */
unsigned screen_put(struct screen *screen, unsigned row, unsigned column, enum screen_style style,
                    const char *text);

/* Puts `count` times a sign there: a character of ASCII, or one from above. */
unsigned screen_put_sign(struct screen *screen, unsigned row, unsigned column,
                         enum screen_style style, unsigned sign, unsigned count);

/* Writes the frame.  As lines, blanks at the ends of lines and empty last lines are left out. */
void screen_print(const struct screen *screen, struct screen_look look, struct text *text);

#endif
