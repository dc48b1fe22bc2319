/*
 * words.h - figures and names of the daemon's in words for people, the same wherever they are
 * shown.
 */
#ifndef DAMPENERCTL_WORDS_H
#define DAMPENERCTL_WORDS_H

#include <stddef.h>

enum { WORDS_SIZE = 24 };

/* A figure in words; that of a function's result lasts until the end of the statement (C11 6.2.4).
 */
struct words {
    char text[WORDS_SIZE];
};

/* A count in full, "no limit", or "-" if it is unknown. */
struct words words_count(double count);

/* The same in six characters at most, such as 19000 or 1.2M. */
struct words words_short(double count);

/* So many in a second, in six characters at most. */
struct words words_rate(double rate);

/* A time in seconds, in six characters at most, such as 120ms, 3.2s, 5m07s or 3d04h. */
struct words words_time(double time);

/* Why not more of those who wait are started: what completes "held back by", in 24 characters at
 * most if the reason is known here.  Otherwise it is the daemon's own word. */
const char *words_reason(const char *name);

/* The state: in capitals if the service is not as it always should be. */
const char *words_state(const char *name);

#endif
