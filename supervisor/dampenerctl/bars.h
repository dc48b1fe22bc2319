/*
 * bars.h - how long a bar is, and how high a column of a sparkline.  Pure.
 */
#ifndef DAMPENERCTL_BARS_H
#define DAMPENERCTL_BARS_H

enum { BARS_LEVELS = 8 };

/* How many of `width` places are filled for `value` of `limit`: one at least for what is not 0, all
 * of them only if the limit is reached. */
unsigned bars_filled(double value, double limit, unsigned width);

/* From 0 to BARS_LEVELS - 1, on a scale up to `most`: 0 only for 0, the last only for `most`. */
unsigned bars_level(double value, double most);

#endif
