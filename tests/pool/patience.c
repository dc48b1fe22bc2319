/*
 * How long an answer is waited for: twice, unless it was the one who waits that slept.
 */
#include "supervisor/pool/patience.h"

#include "tests/shared/check.h"

#include <stddef.h>

enum { ALLOWED = 10 * LOOP_SECOND };

static struct loop loop;
static struct patience patience;

static void begin(void)
{
    loop = (struct loop){.now = 5 * LOOP_SECOND};
    patience_open(&patience, &loop, ALLOWED, NULL, NULL);
    CHECK(patience.timer.deadline == 0);
    patience_renew(&patience, true);
    CHECK(patience.timer.deadline == loop.now + ALLOWED);
}

static void check_lost(void)
{
    begin();
    loop.now = patience.timer.deadline;
    CHECK(patience_judge(&patience) == PATIENCE_EXTENDED);
    CHECK(patience.timer.deadline > loop.now && patience.timer.deadline < loop.now + LOOP_SECOND);
    loop.now = patience.timer.deadline;
    CHECK(patience_judge(&patience) == PATIENCE_LOST);
}

/* An answer gives it all back, and takes it away if none is due any more. */
static void check_answer(void)
{
    begin();
    loop.now = patience.timer.deadline;
    CHECK(patience_judge(&patience) == PATIENCE_EXTENDED);
    patience_renew(&patience, true);
    CHECK(patience.timer.deadline == loop.now + ALLOWED);
    loop.now = patience.timer.deadline;
    CHECK(patience_judge(&patience) == PATIENCE_EXTENDED);
    patience_renew(&patience, false);
    CHECK(patience.timer.deadline == 0);
}

static void check_slept(void)
{
    begin();
    loop.now = patience.timer.deadline + 2 * LOOP_SECOND;
    CHECK(patience_judge(&patience) == PATIENCE_AGAIN);
    CHECK(patience.timer.deadline == loop.now + ALLOWED);
    loop.now = patience.timer.deadline;
    CHECK(patience_judge(&patience) == PATIENCE_EXTENDED);
    loop.now += 2 * LOOP_SECOND;
    CHECK(patience_judge(&patience) == PATIENCE_AGAIN);
}

static void check_hurried(void)
{
    begin();
    patience.allowed = LOOP_SECOND;
    patience_renew(&patience, true);
    CHECK(patience.timer.deadline == loop.now + LOOP_SECOND);
}

int main(void)
{
    check_lost();
    check_answer();
    check_slept();
    check_hurried();
    return CHECK_RESULT();
}
