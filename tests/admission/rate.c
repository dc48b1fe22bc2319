/*
 * The token bucket: how it empties and fills, what a change keeps, and tokens that come back.
 */
#include "supervisor/admission/rate.h"
#include "supervisor/options/options.h"

#include "tests/shared/check.h"

enum { SECOND = 1000000 };

static void open_rate(struct rate *rate, uint32_t count, uint64_t period, uint64_t now)
{
    *rate = (struct rate){0};
    rate_set(rate, count, period, now);
}

static void check_bucket(void)
{
    struct rate rate;

    open_rate(&rate, 20, SECOND, 1000);
    CHECK(rate_tokens(&rate, 1000) == 20);
    for (int i = 0; i < 20; i++)
        rate_take(&rate);
    CHECK(rate_tokens(&rate, 1000) == 0);
    CHECK(rate_next(&rate, 1000) == 1000 + SECOND / 20);
    CHECK(rate_tokens(&rate, 1000 + SECOND / 20 - 1) == 0);
    CHECK(rate_next(&rate, 1000 + SECOND / 20 - 1) == 1000 + SECOND / 20);
    CHECK(rate_tokens(&rate, 1000 + SECOND / 20) == 1);
    CHECK(rate_tokens(&rate, 1000 + SECOND) == 20);
    CHECK(rate_tokens(&rate, 1000 + (uint64_t)3600 * SECOND) == 20); /* no more than it holds */
}

/* Rounding neither loses nor adds a token, however often the bucket fills. */
static void check_rounding(void)
{
    struct rate rate;
    uint64_t now = 0;
    uint64_t taken = 0;

    open_rate(&rate, 7, SECOND, now);
    while (now < (uint64_t)1000 * SECOND) {
        for (uint32_t tokens = rate_tokens(&rate, now); tokens > 0; tokens--) {
            rate_take(&rate);
            taken++;
        }
        now += 997;
    }
    CHECK(taken == 7 + 7 * 1000 - 1 || taken == 7 + 7 * 1000);
}

/* At the time that rate_next() names there is a token. */
static void check_next(void)
{
    struct rate rate;
    uint64_t now = 12345;

    open_rate(&rate, 3, 1000, now);
    for (int i = 0; i < 1000; i++) {
        if (rate_tokens(&rate, now) > 0)
            rate_take(&rate);
        now = rate_next(&rate, now);
        CHECK(rate_tokens(&rate, now) > 0);
    }
}

static void check_extremes(void)
{
    struct rate rate;

    open_rate(&rate, OPTIONS_RATE_MAXIMUM, OPTIONS_RATE_PERIOD_MAXIMUM, 0);
    CHECK(rate_tokens(&rate, 0) == OPTIONS_RATE_MAXIMUM);
    for (int i = 0; i < OPTIONS_RATE_MAXIMUM; i++)
        rate_take(&rate);
    CHECK(rate_tokens(&rate, 0) == 0);
    CHECK(rate_tokens(&rate, OPTIONS_RATE_PERIOD_MAXIMUM / 2) == OPTIONS_RATE_MAXIMUM / 2);
    CHECK(rate_tokens(&rate, UINT64_MAX) == OPTIONS_RATE_MAXIMUM);
}

/* A change keeps the tokens that fit; to set the same again and again does not stop the clock. */
static void check_change(void)
{
    struct rate rate;
    uint64_t now = 1000;

    open_rate(&rate, 10, SECOND, now);
    for (int i = 0; i < 4; i++)
        rate_take(&rate);
    rate_set(&rate, 20, SECOND, now);
    CHECK(rate_tokens(&rate, now) == 6);
    rate_set(&rate, 5, (uint64_t)60 * SECOND, now);
    CHECK(rate_tokens(&rate, now) == 5);
    for (int i = 0; i < 5; i++)
        rate_take(&rate);
    rate_set(&rate, 10, (uint64_t)120 * SECOND, now);
    for (int i = 0; i < 120; i++) {
        CHECK(rate_tokens(&rate, now) == (uint32_t)i / 12);
        if (i % 12 == 0 && i > 0)
            CHECK(rate.level % rate.period == 0);
        now += SECOND;
        rate_set(&rate, 10, (uint64_t)120 * SECOND, now);
        rate_set(&rate, 10, (uint64_t)120 * SECOND, now);
    }
    CHECK(rate_tokens(&rate, now) == 10);
}

/* A part of a token stays the same part with another period, and never becomes a whole token. */
static void check_change_of_part(void)
{
    struct rate rate;

    open_rate(&rate, 1, OPTIONS_RATE_PERIOD_MAXIMUM, 0);
    rate_take(&rate);
    CHECK(rate_tokens(&rate, OPTIONS_RATE_PERIOD_MAXIMUM / 2) == 0);
    rate_set(&rate, OPTIONS_RATE_MAXIMUM, 1000, OPTIONS_RATE_PERIOD_MAXIMUM / 2);
    CHECK(rate_tokens(&rate, OPTIONS_RATE_PERIOD_MAXIMUM / 2) == 0);
    CHECK(rate.level >= 490 && rate.level <= 500);
    open_rate(&rate, 1, OPTIONS_RATE_PERIOD_MAXIMUM, 0);
    rate_take(&rate);
    CHECK(rate_tokens(&rate, OPTIONS_RATE_PERIOD_MAXIMUM - 1) == 0);
    rate_set(&rate, 1, 1000, OPTIONS_RATE_PERIOD_MAXIMUM - 1);
    CHECK(rate_tokens(&rate, OPTIONS_RATE_PERIOD_MAXIMUM - 1) == 0);
}

/* A token that comes back can be taken again at once. */
static void check_return(void)
{
    struct rate rate;

    open_rate(&rate, 2, SECOND, 1000);
    rate_take(&rate);
    rate_take(&rate);
    rate_return(&rate);
    CHECK(rate_tokens(&rate, 1000) == 1);
    rate_return(&rate);
    CHECK(rate_tokens(&rate, 1000) == 2);
}

/* The bucket has filled up since the token was taken: it holds no more for the token's return, now
 * or later. */
static void check_return_to_full(void)
{
    struct rate rate;
    uint64_t now = 1000;

    open_rate(&rate, 20, SECOND, now);
    rate_take(&rate);
    now += SECOND;
    CHECK(rate_tokens(&rate, now) == 20);
    rate_return(&rate);
    CHECK(rate_tokens(&rate, now) == 20);
    CHECK(rate_tokens(&rate, now + SECOND / 20) == 20);
    for (int i = 0; i < 20; i++)
        rate_take(&rate);
    CHECK(rate_tokens(&rate, now + SECOND / 20) == 0);
}

/* Half of the token has come anew when it returns: the other half is all that fits. */
static void check_return_to_nearly_full(void)
{
    struct rate rate;
    uint64_t now = 1000;

    open_rate(&rate, 10, SECOND, now);
    rate_take(&rate);
    now += SECOND / 20;
    CHECK(rate_tokens(&rate, now) == 9);
    rate_return(&rate);
    for (int i = 0; i < 10; i++)
        rate_take(&rate);
    CHECK(rate_tokens(&rate, now) == 0);
    CHECK(rate_tokens(&rate, now + SECOND / 10 - 1) == 0);
    CHECK(rate_tokens(&rate, now + SECOND / 10) == 1);
}

/* Without a limit a token never lacks; a limit begins with a full bucket. */
static void check_no_limit(void)
{
    struct rate rate = {0};

    CHECK(rate_tokens(&rate, 1000) == UNLIMITED);
    rate_take(&rate);
    rate_take(&rate);
    rate_return(&rate);
    CHECK(rate_tokens(&rate, 2000) == UNLIMITED);
    rate_set(&rate, 3, SECOND, 2000);
    rate_take(&rate);
    CHECK(rate_tokens(&rate, 2000) == 2);
    rate_set(&rate, UNLIMITED, SECOND, 2000);
    rate_return(&rate);
    CHECK(rate_tokens(&rate, 2000) == UNLIMITED);
    rate_set(&rate, 3, SECOND, 2000);
    CHECK(rate_tokens(&rate, 2000) == 3);
}

int main(void)
{
    check_no_limit();
    check_bucket();
    check_rounding();
    check_next();
    check_extremes();
    check_change();
    check_change_of_part();
    check_return();
    check_return_to_full();
    check_return_to_nearly_full();
    return CHECK_RESULT();
}
