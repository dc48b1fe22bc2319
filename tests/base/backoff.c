/*
 * Delays that grow, and the one attempt that is allowed between them.
 */
#include "supervisor/base/backoff.h"

#include "tests/shared/check.h"

int main(void)
{
    struct backoff backoff = {.first = 100, .longest = 350};

    CHECK(!backoff_failing(&backoff) && !backoff_holds(&backoff, 0));
    backoff_attempted(&backoff, 0);
    CHECK(!backoff_holds(&backoff, 0)); /* while all goes well, attempts cost nothing */

    backoff_failed(&backoff, 1000);
    CHECK(backoff_failing(&backoff));
    CHECK(backoff_holds(&backoff, 1099) && !backoff_holds(&backoff, 1100));
    backoff_failed(&backoff, 1050); /* of an attempt made before */
    CHECK(backoff.delay == 100 && backoff.until == 1100);

    backoff_attempted(&backoff, 1100);
    CHECK(backoff_holds(&backoff, 1199)); /* not one more before its outcome, or the delay */
    backoff_failed(&backoff, 1110);
    CHECK(backoff.delay == 200 && backoff.until == 1310);
    backoff_failed(&backoff, 1200); /* one attempt counts once */
    CHECK(backoff.delay == 200 && backoff.until == 1310);
    backoff_attempted(&backoff, 1310);
    backoff_failed(&backoff, 1320);
    CHECK(backoff.delay == 350); /* and no longer */

    backoff_succeeded(&backoff);
    CHECK(!backoff_failing(&backoff) && !backoff_holds(&backoff, 1321));
    backoff_failed(&backoff, 2000);
    CHECK(backoff.delay == 100);
    return CHECK_RESULT();
}
