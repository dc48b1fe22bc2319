/*
 * Rates from samples.
 */
#include "supervisor/dampenerctl/samples.h"

#include "tests/shared/check.h"

#include <math.h>
#include <stdio.h>

static struct samples samples;

static bool is(double value, double expected)
{
    return value > expected - 1e-6 && value < expected + 1e-6;
}

static void add(double time, double process, double queued, double served)
{
    char bytes[200];

    (void)snprintf(bytes, sizeof(bytes),
                   "version 1\nprocess %.0f\nqueued %.0f\nrunning 2\naccepted 100\n"
                   "ended.served %.0f\n",
                   process, queued, served);

    CHECK(answer_is_sound(bytes));
    samples_add(&samples, time, bytes);
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

int main(void)
{
    check_rates();
    check_ring();
    return CHECK_RESULT();
}
