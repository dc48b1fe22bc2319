/*
 * What delays and what is left out, as functions of time: the rate, the opening of gates, and the
 * limit on lines in the log.
 */
#include "supervisor/limiter.h"
#include "supervisor/ramp.h"
#include "supervisor/rate.h"

#include "tests/check.h"

enum { SECOND = 1000000 };

/* ---- rate ---- */

static void check_bucket(void)
{
    struct rate rate;

    rate_open(&rate, 20, SECOND, 1000);
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

/* In steps of any length no token is lost or won by rounding. */
static void check_rounding(void)
{
    struct rate rate;
    uint64_t now = 0;
    uint64_t taken = 0;

    rate_open(&rate, 7, SECOND, now);
    while (now < (uint64_t)1000 * SECOND) {
        for (uint32_t tokens = rate_tokens(&rate, now); tokens > 0; tokens--) {
            rate_take(&rate);
            taken++;
        }
        now += 997;
    }
    CHECK(taken == 7 + 7 * 1000 - 1 || taken == 7 + 7 * 1000);
}

/* Whoever wakes up when told finds a token. */
static void check_next(void)
{
    struct rate rate;
    uint64_t now = 12345;

    rate_open(&rate, 3, 1000, now);
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

    rate_open(&rate, RATE_COUNT_MAXIMUM, RATE_PERIOD_MAXIMUM, 0);
    CHECK(rate_tokens(&rate, 0) == RATE_COUNT_MAXIMUM);
    for (int i = 0; i < RATE_COUNT_MAXIMUM; i++)
        rate_take(&rate);
    CHECK(rate_tokens(&rate, 0) == 0);
    CHECK(rate_tokens(&rate, RATE_PERIOD_MAXIMUM / 2) == RATE_COUNT_MAXIMUM / 2);
    CHECK(rate_tokens(&rate, UINT64_MAX) == RATE_COUNT_MAXIMUM);
}

/* What is left stays as far as it fits; to set the same for ever does not stop the clock. */
static void check_change(void)
{
    struct rate rate;
    uint64_t now = 1000;

    rate_open(&rate, 10, SECOND, now);
    for (int i = 0; i < 4; i++)
        rate_take(&rate);
    rate_change(&rate, 20, SECOND, now);
    CHECK(rate_tokens(&rate, now) == 6);
    rate_change(&rate, 5, (uint64_t)60 * SECOND, now);
    CHECK(rate_tokens(&rate, now) == 5);
    for (int i = 0; i < 5; i++)
        rate_take(&rate);
    rate_change(&rate, 10, (uint64_t)120 * SECOND, now);
    for (int i = 0; i < 120; i++) {
        CHECK(rate_tokens(&rate, now) == (uint32_t)i / 12);
        if (i % 12 == 0 && i > 0)
            CHECK(rate.level % rate.period == 0);
        now += SECOND;
        rate_change(&rate, 10, (uint64_t)120 * SECOND, now);
        rate_change(&rate, 10, (uint64_t)120 * SECOND, now);
    }
    CHECK(rate_tokens(&rate, now) == 10);
}

/* Half of a token is half of one also in another measure, and never a whole one. */
static void check_change_of_part(void)
{
    struct rate rate;

    rate_open(&rate, 1, RATE_PERIOD_MAXIMUM, 0);
    rate_take(&rate);
    CHECK(rate_tokens(&rate, RATE_PERIOD_MAXIMUM / 2) == 0);
    rate_change(&rate, RATE_COUNT_MAXIMUM, 1000, RATE_PERIOD_MAXIMUM / 2);
    CHECK(rate_tokens(&rate, RATE_PERIOD_MAXIMUM / 2) == 0);
    CHECK(rate.level >= 490 && rate.level <= 500);
    rate_open(&rate, 1, RATE_PERIOD_MAXIMUM, 0);
    rate_take(&rate);
    CHECK(rate_tokens(&rate, RATE_PERIOD_MAXIMUM - 1) == 0);
    rate_change(&rate, 1, 1000, RATE_PERIOD_MAXIMUM - 1);
    CHECK(rate_tokens(&rate, RATE_PERIOD_MAXIMUM - 1) == 0);
}

/* ---- ramp ---- */

static void check_ramp(void)
{
    static const uint32_t expected[] = {2, 3, 4, 6, 9, 13, 19, 28, 42, 63, 94};
    struct ramp ramp = {0};

    CHECK(ramp_open(&ramp, SECOND) == RAMP_UNLIMITED); /* it has never been closed */
    ramp_close(&ramp, 0, 2 * SECOND, 10 * SECOND);
    for (uint64_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
        uint64_t now = 10 * SECOND + i * 2 * SECOND;

        CHECK(ramp_open(&ramp, now) == expected[i]);
        CHECK(ramp_next(&ramp, now) == now + 2 * SECOND);
        CHECK(ramp_next(&ramp, now + 1) == now + 2 * SECOND);
        CHECK(ramp_open(&ramp, now + 2 * SECOND - 1) == expected[i]);
    }
    CHECK(ramp_open(&ramp, (uint64_t)200 * SECOND) == RAMP_UNLIMITED);
    CHECK(ramp_open(&ramp, (uint64_t)200 * SECOND) == RAMP_UNLIMITED);
}

static void check_ramp_closed_again(void)
{
    struct ramp ramp = {0};

    ramp_close(&ramp, 8, SECOND, 0);
    CHECK(ramp_open(&ramp, 0) == 12);
    ramp_close(&ramp, 10, SECOND, 4 * SECOND);
    ramp_close(&ramp, 2, SECOND, 5 * SECOND); /* some have ended meanwhile */
    CHECK(ramp_open(&ramp, 5 * SECOND) == 3);
    CHECK(ramp_open(&ramp, 6 * SECOND) == 4);
    /* Nobody has looked for long: that it was closed then does not matter any more. */
    ramp_close(&ramp, 1, SECOND, 10 * SECOND);
    CHECK(ramp_open(&ramp, (uint64_t)100 * SECOND) == RAMP_UNLIMITED);
}

/* ---- limiter ---- */

static void check_limiter(void)
{
    struct limiter limiter = {0};
    uint64_t now = SECOND;

    for (int i = 0; i < LIMITER_LINES; i++)
        CHECK(limiter_allows(&limiter, now));
    CHECK(!limiter_allows(&limiter, now));
    CHECK(!limiter_allows(&limiter, now + LIMITER_PERIOD - 1));
    CHECK(limiter.until == now + LIMITER_PERIOD);
    CHECK(limiter_end(&limiter, now + LIMITER_PERIOD - 1, false) == 0);
    CHECK(limiter_end(&limiter, now + LIMITER_PERIOD, false) == 2);
    CHECK(limiter.until == 0);
    CHECK(limiter_allows(&limiter, now + LIMITER_PERIOD));
    for (int i = 1; i < LIMITER_LINES + 3; i++)
        (void)limiter_allows(&limiter, now + LIMITER_PERIOD);
    CHECK(limiter_end(&limiter, now + LIMITER_PERIOD, true) == 3);
    CHECK(limiter_end(&limiter, now, true) == 0);
}

int main(void)
{
    check_bucket();
    check_rounding();
    check_next();
    check_extremes();
    check_change();
    check_change_of_part();
    check_ramp();
    check_ramp_closed_again();
    check_limiter();
    return CHECK_RESULT();
}
