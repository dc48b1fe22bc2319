#include "supervisor/dampenerctl/bars.h"

unsigned bars_filled(double value, double limit, unsigned width)
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

unsigned bars_level(double value, double most)
{
    /* The levels between the first and the last are those of a bar that is not full. */
    return bars_filled(value, most, BARS_LEVELS - 1);
}
