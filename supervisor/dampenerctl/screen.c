#include "supervisor/dampenerctl/screen.h"

/* ECMA-48, 8.3.117 (SGR). */
static const char *const styles[] = {
    [SCREEN_PLAIN] = "0",   [SCREEN_LABEL] = "0;36",   [SCREEN_STRONG] = "0;1",
    [SCREEN_GOOD] = "0;32", [SCREEN_WARNING] = "0;33", [SCREEN_BAD] = "0;31",
    [SCREEN_FAINT] = "0;2",
};

static unsigned bounded(unsigned value, unsigned most)
{
    return value < 1 ? 1 : value > most ? most : value;
}

void screen_open(struct screen *screen, unsigned rows, unsigned columns)
{
    screen->rows = bounded(rows, SCREEN_ROWS);
    screen->columns = bounded(columns, SCREEN_COLUMNS);
    for (unsigned row = 0; row < screen->rows; row++)
        for (unsigned column = 0; column < screen->columns; column++)
            screen->cells[row][column] = (struct screen_cell){' ', SCREEN_PLAIN};
}

unsigned screen_put_sign(struct screen *screen, unsigned row, unsigned column,
                         enum screen_style style, unsigned sign, unsigned count)
{
    if (sign < ' ' || sign == 0x7f || sign > SCREEN_BAR)
        sign = '?';
    for (; count > 0 && row < screen->rows && column < screen->columns; count--, column++)
        screen->cells[row][column] = (struct screen_cell){(uint8_t)sign, (uint8_t)style};
    return column;
}

unsigned screen_put(struct screen *screen, unsigned row, unsigned column, enum screen_style style,
                    const char *text)
{
    for (; *text != '\0'; text++)
        column = screen_put_sign(screen, row, column, style,
                                 (unsigned char)*text < 0x80 ? (unsigned char)*text : '?', 1);
    return column;
}

static void print_sign(struct text *text, unsigned sign, bool blocks)
{
    static const char levels[] = "_.-=+*#@";

    if (sign < SCREEN_LEVEL)
        text_add(text, "%c", (char)sign);
    else if (!blocks)
        text_add(text, "%c", sign == SCREEN_BAR ? '#' : levels[sign - SCREEN_LEVEL]);
    else /* U+2581, one eighth, to U+2588, the full block */
        text_add(text, "\xe2\x96%c", (char)(0x81 + (sign == SCREEN_BAR ? 7 : sign - SCREEN_LEVEL)));
}

/* Returns the length of a row without the blanks at the end. */
static unsigned row_length(const struct screen *screen, unsigned row)
{
    unsigned length = screen->columns;

    while (length > 0 && screen->cells[row][length - 1].sign == ' ')
        length--;
    return length;
}

static void print_row(const struct screen *screen, unsigned row, struct screen_look look,
                      struct text *text)
{
    unsigned length = row_length(screen, row);
    unsigned style = SCREEN_PLAIN;

    for (unsigned column = 0; column < length; column++) {
        const struct screen_cell *cell = &screen->cells[row][column];

        if (look.colours && cell->style != style && cell->sign != ' ') {
            style = cell->style;
            text_add(text, "\033[%sm", styles[style]);
        }
        print_sign(text, cell->sign, look.blocks);
    }
    if (style != SCREEN_PLAIN)
        text_add(text, "\033[0m");
    /* After a full row the cursor stands on the last column, and would erase it. */
    if (look.placed && length < screen->columns)
        text_add(text, "\033[K");
}

void screen_print(const struct screen *screen, struct screen_look look, struct text *text)
{
    unsigned rows = screen->rows;

    look.colours = look.colours && look.placed;
    while (!look.placed && rows > 0 && row_length(screen, rows - 1) == 0)
        rows--;
    for (unsigned row = 0; row < rows; row++) {
        if (look.placed)
            text_add(text, "\033[%u;1H", row + 1);
        print_row(screen, row, look, text);
        if (!look.placed)
            text_add(text, "\n");
    }
}
