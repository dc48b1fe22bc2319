/*
 * frame.h - writes one frame, row by row from top to bottom.
 *
 * A row has a label, and parts with blanks between them.  A part that does not fit the rest of the
 * row is left out, together with all parts behind it.  No text can leave the frame or wrap: bytes
 * that are not printable ASCII become question marks.  Nothing is allocated, and no terminal is
 * touched.
 */
#ifndef DAMPENERCTL_FRAME_H
#define DAMPENERCTL_FRAME_H

#include "dispatcher/shared/text.h"

enum {
    FRAME_ROWS = 100, /* the rest of a larger terminal stays empty */
    FRAME_COLUMNS = 320
};

/* Room for any frame: a style and a character of UTF-8 for each column, and a few bytes for each
 * row. */
enum { FRAME_TEXT = FRAME_ROWS * (FRAME_COLUMNS * 18 + 16) };

enum frame_style {
    FRAME_PLAIN,
    FRAME_LABEL,
    FRAME_STRONG,
    FRAME_GOOD,
    FRAME_WARNING,
    FRAME_BAD,
    FRAME_FAINT,
    FRAME_STYLES
};

/* Signs beyond ASCII: columns of rising height, and what fills a bar. */
enum { FRAME_LEVELS = 8, FRAME_LEVEL = 0x80, FRAME_BAR = FRAME_LEVEL + FRAME_LEVELS };

/* How to write a frame. */
struct frame_look {
    bool placed;  /* sequences place each row on a terminal; else rows are lines */
    bool colours; /* only if placed */
    bool many;    /* 256 colours: some of them are legible on any background */
    bool blocks;  /* bars are block characters of UTF-8; else ASCII */
};

struct frame {
    struct text text;
    struct frame_look look;
    unsigned rows, columns;
    unsigned row;           /* how many have begun */
    unsigned ended;         /* how many lines have ended; empty last lines never do */
    unsigned first;         /* column of the first part */
    unsigned column;        /* where the next sign stands */
    unsigned written;       /* columns of the row in the text: blanks wait for the next sign */
    enum frame_style style; /* of the last sign */
    bool full;              /* a part did not fit */
};

/* Opens an empty frame of this size, or of the nearest possible size. */
void frame_open(struct frame *frame, struct frame_look look, unsigned rows, unsigned columns,
                char bytes[FRAME_TEXT]);

/* Begins a row.  Parts begin behind the label, if there is one. */
void frame_row(struct frame *frame, const char *label);

/* Puts the next part.  The first part is cut rather than left out. */
__attribute__((format(printf, 3, 4))) void frame_part(struct frame *frame, enum frame_style style,
                                                      const char *format, ...);

/* Puts a sign `count` times: a character of ASCII, or one of the signs above. */
void frame_sign(struct frame *frame, enum frame_style style, unsigned sign, unsigned count);

/* Puts a bar, and leaves `reserved` columns free behind it.  Draws nothing for an unknown value or
 * without a finite limit. */
void frame_bar(struct frame *frame, enum frame_style style, double value, double limit,
               unsigned reserved);

/* Returns how many of `width` places a bar fills: at least one for a value above 0, and all of them
 * only if the value reaches the limit. */
unsigned frame_filled(double value, double limit, unsigned width);

/* Ends the last row.  Then the text is complete. */
void frame_close(struct frame *frame);

#endif
