/*
 * words.h - numbers in words for people, in six characters unless there is no limit.
 */
#ifndef DAMPENERCTL_WORDS_H
#define DAMPENERCTL_WORDS_H

enum { WORDS_SIZE = 24 };

/* In a function's result, the text lasts until the end of the statement (C11 6.2.4). */
struct words {
    char text[WORDS_SIZE];
};

/* A count such as 19000 or 1.2M, "no limit" for INFINITY, or "-" for NAN. */
struct words words_count(double count);

/* A number of events in a second. */
struct words words_rate(double rate);

#endif
