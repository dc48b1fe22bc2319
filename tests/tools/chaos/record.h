/*
 * record.h - for all who keep records in the trial: its clock, seconds since it began, and lines
 * that are appended whole, by whoever writes to the same file at the same time.
 */
#ifndef TESTS_TOOLS_CHAOS_RECORD_H
#define TESTS_TOOLS_CHAOS_RECORD_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { RECORD_SECOND = 1000 * 1000 }; /* times are microseconds */

static inline int64_t record_clock(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time); /* cannot fail */
    return (int64_t)time.tv_sec * RECORD_SECOND + time.tv_nsec / 1000;
}

/* Since it began, as `begin`, microseconds of the same clock, has it. */
static inline double record_seconds(int64_t begin)
{
    return (double)(record_clock() - begin) / RECORD_SECOND;
}

/* Ends the program if the line cannot be written: without its records the trial says nothing. */
__attribute__((format(printf, 2, 3))) static inline void record(int file, const char *format, ...)
{
    char line[16384];
    va_list words;
    int length;

    va_start(words, format);
    length = vsnprintf(line, sizeof(line), format, words);
    va_end(words);
    if (length < 0 || (size_t)length >= sizeof(line) || write(file, line, (size_t)length) != length)
        exit(70);
}

#endif
