#include "tests/tools/bench/load/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MICROSECOND = 1000, /* in nanoseconds, as all times here */
    SECOND = 1000 * 1000 * MICROSECOND
};

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(2);
}

static void print_counts(const struct record *records, unsigned count, int64_t end)
{
    double seconds = (double)(end - records[0].at[BEGUN]) / SECOND;
    unsigned counts[OUTCOMES] = {0};

    for (size_t i = 0; i < count; i++)
        counts[records[i].outcome]++;
    printf("clients %u\n", count);
    printf("answered %u\n", counts[ANSWERED]);
    printf("refused %u\n", counts[REFUSED]);
    printf("reset %u\n", counts[RESET]);
    printf("wrong %u\n", counts[WRONG]);
    printf("lost %u\n", counts[LOST]);
    printf("seconds %.6f\n", seconds);
    printf("rate %.1f\n", seconds > 0 ? counts[ANSWERED] / seconds : 0);
}

static int compare_times(const void *left, const void *right)
{
    int64_t one = *(const int64_t *)left;
    int64_t other = *(const int64_t *)right;

    return (one > other) - (one < other);
}

/* The least time that so many of a hundred did not exceed, or "-". */
static void print_percentile(const char *moment, const char *name, size_t percent,
                             const int64_t *sorted, size_t count)
{
    if (count == 0) {
        printf("%s_%s -\n", moment, name);
    } else {
        int64_t time = sorted[(count * percent + 99) / 100 - 1];
        printf("%s_%s %" PRId64 "\n", moment, name, (time + MICROSECOND / 2) / MICROSECOND);
    }
}

/* TIMES has room for one of each client.  Of an empty answer nobody has seen the first byte. */
static void print_times(const struct record *records, unsigned count, enum moment moment,
                        int64_t *times)
{
    static const char *const names[MOMENTS] = {
        [CONNECTED] = "connect", [FIRST] = "first", [DONE] = "done"};
    const char *name = names[moment];
    size_t known = 0;

    for (size_t i = 0; i < count; i++) {
        if (records[i].outcome == ANSWERED && records[i].at[moment] != 0)
            times[known++] = records[i].at[moment] - records[i].at[BEGUN];
    }
    qsort(times, known, sizeof(*times), compare_times);
    print_percentile(name, "median", 50, times, known);
    print_percentile(name, "p90", 90, times, known);
    print_percentile(name, "p99", 99, times, known);
    print_percentile(name, "longest", 100, times, known);
}

void report_print(const struct record *records, unsigned count, int64_t end)
{
    int64_t *times = calloc(count, sizeof(*times));

    if (times == NULL)
        die("cannot sort the times");
    print_counts(records, count, end);
    print_times(records, count, CONNECTED, times);
    print_times(records, count, FIRST, times);
    print_times(records, count, DONE, times);
    free(times);
    if (fflush(stdout) != 0)
        die("standard output");
}

static void write_moments(FILE *file, const struct record *record, int64_t begin)
{
    for (int moment = BEGUN; moment < MOMENTS; moment++) {
        int64_t at = record->at[moment];
        if (at == 0)
            (void)fprintf(file, "-");
        else
            (void)fprintf(file, "%" PRId64, (at - begin) / MICROSECOND);
        (void)fputc(moment < DONE ? ' ' : '\n', file);
    }
}

void report_write_timeline(const struct record *records, unsigned count, const char *path)
{
    FILE *file = fopen(path, "we");
    bool failed;

    if (file == NULL)
        die(path);
    for (size_t i = 0; i < count; i++)
        write_moments(file, &records[i], records[0].at[BEGUN]);
    failed = ferror(file) != 0;
    if (fclose(file) != 0 || failed)
        die(path);
}
