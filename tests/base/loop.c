/*
 * The loop's timers: each expires in one round, and not before its time.
 */
#include "supervisor/base/loop.h"

#include "tests/shared/check.h"

#include <stdlib.h>

static struct loop loop;
static uint64_t expired_at;

static void on_expired(void *context)
{
    (void)context;
    expired_at = loop.now;
    loop_stop(&loop);
}

static void count_round(void *context)
{
    int *rounds = context;

    (*rounds)++;
}

int main(void)
{
    struct loop_timer timer = {.expired = on_expired};
    uint64_t deadline;
    int rounds = 0;

    if (loop_open(&loop) != 0)
        abort();
    loop_add_timer(&loop, &timer);
    deadline = loop_clock() + 3 * LOOP_MILLISECOND + LOOP_MILLISECOND / 2;
    timer.deadline = deadline;
    loop_run(&loop, count_round, &rounds);
    CHECK(expired_at >= deadline);
    CHECK(rounds == 1); /* the wait is not cut into many */
    loop_close(&loop);
    return CHECK_RESULT();
}
