/*
 * Rates from samples, lengths of bars, and numbers in words.
 */
#include "supervisor/dampenerctl/samples.h"

#include "supervisor/dampenerctl/draw.h"
#include "supervisor/dampenerctl/words.h"
#include "tests/shared/check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct samples samples;

static bool is(double value, double expected)
{
    return value > expected - 1e-6 && value < expected + 1e-6;
}

static void add(double time, double process, double queued, double served)
{
    char bytes[200];
    struct answer answer;
    int length = snprintf(bytes, sizeof(bytes),
                          "version 1\nprocess %.0f\nqueued %.0f\nrunning 2\naccepted 100\n"
                          "ended.served %.0f\n",
                          process, queued, served);

    CHECK(answer_open(&answer, bytes, (size_t)length));
    samples_add(&samples, time, &answer);
}

static void check_rates(void)
{
    samples = (struct samples){.count = 0};
    CHECK(isnan(samples_figure(&samples, SAMPLES_QUEUED, 0)));
    CHECK(isnan(samples_recent_rate(&samples, SAMPLES_SERVED)));
    add(10, 1, 5, 100);
    CHECK(is(samples_figure(&samples, SAMPLES_QUEUED, 0), 5));
    CHECK(isnan(samples_rate(&samples, SAMPLES_SERVED, 0)));
    add(12, 1, 7, 110);
    CHECK(is(samples_rate(&samples, SAMPLES_SERVED, 0), 5));
    CHECK(is(samples_rate(&samples, SAMPLES_ACCEPTED, 0), 0));
    add(13, 1, 7, 111);
    CHECK(is(samples_rate(&samples, SAMPLES_STARTED, 0), 1));
    CHECK(is(samples_rate(&samples, SAMPLES_SERVED, 1), 5));
    CHECK(is(samples_recent_rate(&samples, SAMPLES_SERVED), 11.0 / 3));

    samples_add(&samples, 14, NULL); /* a gap */
    CHECK(isnan(samples_figure(&samples, SAMPLES_QUEUED, 0)));
    CHECK(isnan(samples_recent_rate(&samples, SAMPLES_SERVED)));
    add(15, 1, 7, 120);
    CHECK(isnan(samples_rate(&samples, SAMPLES_SERVED, 0)));
    add(16, 2, 0, 130); /* another process */
    CHECK(isnan(samples_rate(&samples, SAMPLES_SERVED, 0)));
    add(17, 2, 0, 125); /* no counter of ours goes back */
    CHECK(isnan(samples_rate(&samples, SAMPLES_SERVED, 0)));
    add(17, 2, 0, 130); /* at the same time */
    CHECK(isnan(samples_rate(&samples, SAMPLES_SERVED, 0)));
}

static void check_ring(void)
{
    samples = (struct samples){.count = 0};
    for (unsigned i = 0; i < 3 * SAMPLES_MAXIMUM + 1; i++)
        add(i, 1, i, 2.0 * i);
    CHECK(is(samples_figure(&samples, SAMPLES_QUEUED, 0), 3 * SAMPLES_MAXIMUM));
    CHECK(
        is(samples_figure(&samples, SAMPLES_QUEUED, SAMPLES_MAXIMUM - 1), 2 * SAMPLES_MAXIMUM + 1));
    CHECK(isnan(samples_figure(&samples, SAMPLES_QUEUED, SAMPLES_MAXIMUM)));
    CHECK(isnan(samples_rate(&samples, SAMPLES_SERVED, SAMPLES_MAXIMUM - 1)));
    CHECK(is(samples_recent_rate(&samples, SAMPLES_SERVED), 2));
}

static void check_bars(void)
{
    CHECK(draw_filled(0, 8, 40) == 0 && draw_filled(8, 8, 40) == 40 && draw_filled(9, 8, 40) == 40);
    CHECK(draw_filled(4, 8, 40) == 20);
    CHECK(draw_filled(1, 1e9, 40) == 1 && draw_filled(1e9 - 1, 1e9, 40) == 39);
    CHECK(draw_filled((double)NAN, 8, 40) == 0 && draw_filled(-1, 8, 40) == 0);
    CHECK(draw_filled(5, 8, 0) == 0 && draw_filled(5, 8, 1) == 0 && draw_filled(8, 8, 1) == 1);
    CHECK(draw_filled(0, 0, 40) == 0 && draw_filled(1, 0, 40) == 40);
    CHECK(draw_level(0, 10) == 0 && draw_level(10, 10) == DRAW_LEVELS - 1);
    CHECK(draw_level(0.001, 10) == 1 && draw_level(9.999, 10) == DRAW_LEVELS - 2);
}

static bool says(const char *words, const char *expected)
{
    if (strcmp(words, expected) != 0)
        (void)fprintf(stderr, "said %s, not %s\n", words, expected);
    return strcmp(words, expected) == 0;
}

static void check_words(void)
{
    const double unknown = (double)NAN;
    const double unlimited = (double)INFINITY;

    CHECK(says(words_count(unknown).text, "-"));
    CHECK(says(words_count(unlimited).text, "no limit"));
    CHECK(says(words_count(0).text, "0") && says(words_count(999949).text, "999949"));
    CHECK(says(words_count(999950).text, "1.0M"));
    CHECK(says(words_count(999.96e6).text, "1.0G"));
    CHECK(says(words_count(1.5e12).text, "1.5T") && says(words_count(1e300).text, "many"));
    CHECK(says(words_rate(3.14).text, "3.1") && says(words_rate(314).text, "314"));
    CHECK(says(words_rate(unknown).text, "-"));
}

int main(void)
{
    check_rates();
    check_ring();
    check_bars();
    check_words();
    return CHECK_RESULT();
}
