/*
 * Durations: which bucket each falls into, and quantiles of the latest ones by nearest rank.
 */
#include "supervisor/base/histogram.h"

#include "tests/shared/check.h"

#include <string.h>

static struct histogram histogram;

static void clear(void)
{
    memset(&histogram, 0, sizeof(histogram));
}

static void add_one(uint64_t duration)
{
    histogram_add(&histogram, 1, duration);
}

/* ---- buckets ---- */

static void check_bounds(void)
{
    CHECK(histogram_bounds[0] == 1000);
    CHECK(histogram_bounds[HISTOGRAM_BOUNDS - 1] == UINT64_C(100000000000));
    for (int i = 1; i < HISTOGRAM_BOUNDS; i++)
        CHECK(i % 2 == 1 ? histogram_bounds[i] == 3 * histogram_bounds[i - 1]
                         : histogram_bounds[i] == 10 * histogram_bounds[i - 2]);
}

static void check_buckets(void)
{
    clear();
    for (int i = 0; i < HISTOGRAM_BOUNDS; i++) {
        add_one(histogram_bounds[i]);
        CHECK(histogram.counts[i] == (i == 0 ? 1 : 2));
        add_one(histogram_bounds[i] + 1); /* belongs to the next one */
        CHECK(histogram.counts[i + 1] == 1);
    }
    add_one(0);
    CHECK(histogram.counts[0] == 2);
    CHECK(histogram.count == 2 * HISTOGRAM_BOUNDS + 1);
}

static void check_sum(void)
{
    uint64_t counted = 0;

    clear();
    add_one(0);
    add_one(1);
    add_one(UINT64_C(100000000001));
    CHECK(histogram.sum == UINT64_C(100000000002));
    for (int i = 0; i <= HISTOGRAM_BOUNDS; i++)
        counted += histogram.counts[i];
    CHECK(counted == 3 && histogram.count == 3);
    CHECK(histogram.counts[HISTOGRAM_BOUNDS] == 1);
}

/* ---- quantiles ---- */

/* Adds from, from + 1 ... to, the middle ones last, so that the order of entry is not theirs. */
static void add(uint64_t from, uint64_t to)
{
    while (from < to) {
        add_one(from++);
        add_one(to--);
    }
    if (from == to)
        add_one(from);
}

/* Rounds seconds to microseconds. */
static long long microseconds(double seconds)
{
    return (long long)(seconds * 1e6 + 0.5);
}

static void expect(long long of, long long median, long long ninety, long long ninety_nine,
                   long long longest)
{
    struct histogram_quantiles quantiles = histogram_quantiles(&histogram);

    CHECK((long long)quantiles.of == of);
    CHECK(microseconds(quantiles.p50) == median);
    CHECK(microseconds(quantiles.p90) == ninety);
    CHECK(microseconds(quantiles.p99) == ninety_nine);
    CHECK(microseconds(quantiles.longest) == longest);
}

static void check_quantiles(void)
{
    clear();
    expect(0, 0, 0, 0, 0);
    add(7, 7);
    expect(1, 7, 7, 7, 7);
    add(8, 8);
    expect(2, 7, 8, 8, 8);
    clear();
    add(1, 10);
    expect(10, 5, 9, 10, 10);
    clear();
    add(1, 100);
    expect(100, 50, 90, 99, 100);
    clear();
    add(1, 101);
    expect(101, 51, 91, 100, 101);
}

/* Only the latest count, however many there were. */
static void check_latest(void)
{
    clear();
    add(1, HISTOGRAM_RECENT);
    expect(512, 256, 461, 507, 512);
    /* The 513th takes the place of the first, which was 1. */
    add_one(1000000);
    expect(512, 257, 462, 508, 1000000);
    CHECK(histogram.count == 513);
    for (int i = 0; i < HISTOGRAM_RECENT; i++)
        add_one(5);
    expect(512, 5, 5, 5, 5);
}

/* A process may be killed after any store, and the next one stores the duration again. */
static void check_again(void)
{
    clear();
    histogram_store(&histogram); /* nothing is noted */
    CHECK(histogram.count == 0 && histogram.counts[0] == 0);
    add_one(7);
    histogram_note(&histogram, 2, 8);
    CHECK(histogram.count == 1 && histogram.counts[0] == 1 && histogram.sum == 7);
    for (int i = 0; i < 3; i++) {
        histogram_store(&histogram);
        CHECK(histogram.count == 2 && histogram.counts[0] == 2 && histogram.sum == 15);
        expect(2, 7, 8, 8, 8);
        histogram.counts[0] -= i == 0;
    }
    histogram.latest.bucket = HISTOGRAM_BOUNDS + 1; /* it is damaged */
    histogram.latest.count = 3;
    histogram_store(&histogram);
    CHECK(histogram.count == 2);
}

int main(void)
{
    check_again();
    check_bounds();
    check_buckets();
    check_sum();
    check_quantiles();
    check_latest();
    return CHECK_RESULT();
}
