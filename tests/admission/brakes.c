/*
 * What delays and what is left out, as functions of time: the opening of gates, and the limit on
 * lines in the log.
 */
#include "supervisor/admission/ramp.h"
#include "supervisor/base/limiter.h"

#include "tests/shared/check.h"

enum { SECOND = 1000000 };

/* ---- ramp ---- */

static void check_ramp(void)
{
    static const uint32_t expected[] = {2, 3, 4, 6, 9, 13, 19, 28, 42, 63, 94};
    struct ramp ramp = {0};

    CHECK(ramp_open(&ramp, SECOND) == UNLIMITED); /* it has never been closed */
    ramp_close(&ramp, 0, 2 * SECOND, 10 * SECOND);
    for (uint64_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
        uint64_t now = 10 * SECOND + i * 2 * SECOND;

        CHECK(ramp_open(&ramp, now) == expected[i]);
        CHECK(ramp_next(&ramp, now) == now + 2 * SECOND);
        CHECK(ramp_next(&ramp, now + 1) == now + 2 * SECOND);
        CHECK(ramp_open(&ramp, now + 2 * SECOND - 1) == expected[i]);
    }
    CHECK(ramp_open(&ramp, (uint64_t)200 * SECOND) == UNLIMITED);
    CHECK(ramp_open(&ramp, (uint64_t)200 * SECOND) == UNLIMITED);
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
    CHECK(ramp_open(&ramp, (uint64_t)100 * SECOND) == UNLIMITED);
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
    check_ramp();
    check_ramp_closed_again();
    check_limiter();
    return CHECK_RESULT();
}
