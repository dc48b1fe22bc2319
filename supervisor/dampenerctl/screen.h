/*
 * screen.h - a frame: rows and columns of characters, each with a style.
 *
 * No text can leave the frame or wrap.  Bytes that are not printable ASCII become question marks.
 * Nothing is allocated, and no terminal is touched.
 */
#ifndef DAMPENERCTL_SCREEN_H
#define DAMPENERCTL_SCREEN_H

#include "dispatcher/shared/text.h"

#include <stdint.h>

enum {
    SCREEN_ROWS = 100, /* the rest of a larger terminal stays empty */
    SCREEN_COLUMNS = 320
};

/* Room for any printed frame: a style and a character of UTF-8 for each cell, and a few bytes for
 * each row. */
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

/* Signs beyond ASCII; the levels are consecutive. */
enum { SCREEN_LEVEL = 0x80, SCREEN_BAR = SCREEN_LEVEL + 8 };

struct screen_cell {
    uint8_t sign;
    uint8_t style;
};

struct screen {
    unsigned rows, columns;
    struct screen_cell cells[SCREEN_ROWS][SCREEN_COLUMNS];
};

/* How to write a frame. */
struct screen_look {
    bool placed;  /* sequences place each row on a terminal; else rows are lines */
    bool colours; /* only if placed */
    bool blocks;  /* bars are block characters of UTF-8; else ASCII */
};

/* Opens an empty frame of this size, or of the nearest possible size. */
void screen_open(struct screen *screen, unsigned rows, unsigned columns);

/* Puts a text, cut at the end of the row.  Returns the column behind the text. */
unsigned screen_put(struct screen *screen, unsigned row, unsigned column, enum screen_style style,
                    const char *text);

/* Puts a sign `count` times: a character of ASCII, or one of the signs above. */
unsigned screen_put_sign(struct screen *screen, unsigned row, unsigned column,
                         enum screen_style style, unsigned sign, unsigned count);

/* Writes the frame.  Lines lose blanks at the end; empty last lines are left out. */
void screen_print(const struct screen *screen, struct screen_look look, struct text *text);

#endif
