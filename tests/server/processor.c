/*
 * On which processors the supervisor is: bound to one after many clients that came one at a time,
 * on all as soon as they overlap and every now and then, and never touched where there is no choice
 * or somebody else has chosen.
 */
#include "supervisor/server/processor.h"

#include "tests/shared/check.h"

static cpu_set_t now(void)
{
    cpu_set_t set;

    CHECK(sched_getaffinity(0, sizeof(set), &set) == 0);
    return set;
}

static int count_now(void)
{
    cpu_set_t set = now();

    return CPU_COUNT(&set);
}

/* The clients from `first` to `last` come, of which so many are there at a time. */
static void come(struct processor *processor, uint32_t at_once, uint64_t first, uint64_t last)
{
    for (uint64_t nth = first; nth <= last; nth++)
        processor_look(processor, at_once, nth);
}

static void with_a_choice(void)
{
    struct processor processor = {0};
    cpu_set_t all = now();
    cpu_set_t set;

    come(&processor, 1, 1, 15);
    CHECK(!processor.bound && count_now() == CPU_COUNT(&all));
    come(&processor, 1, 16, 16);
    CHECK(processor.bound && count_now() == 1);
    /* The one before may not be known to have ended yet. */
    come(&processor, 2, 17, 40);
    CHECK(processor.bound && count_now() == 1);

    processor_look(&processor, 3, 41);
    set = now();
    CHECK(!processor.bound && CPU_EQUAL(&set, &all));
    come(&processor, 1, 42, 56);
    CHECK(!processor.bound && count_now() == CPU_COUNT(&all));
    processor_look(&processor, 3, 57); /* begins anew */
    come(&processor, 1, 58, 72);
    CHECK(!processor.bound);
    come(&processor, 1, 73, 73);
    CHECK(processor.bound && count_now() == 1);
    processor_look(&processor, 1000, 1073);
    set = now();
    CHECK(!processor.bound && CPU_EQUAL(&set, &all));
}

/* Whoever keeps that processor busy does so to some clients only. */
static void lets_go(void)
{
    struct processor processor = {0};
    cpu_set_t all = now();

    come(&processor, 1, 1, 16 + 255);
    CHECK(processor.bound && count_now() == 1);
    come(&processor, 1, 16 + 256, 16 + 256 + 15);
    CHECK(!processor.bound && count_now() == CPU_COUNT(&all));
    come(&processor, 1, 16 + 256 + 16, 16 + 256 + 16);
    CHECK(processor.bound && count_now() == 1);
    processor_look(&processor, 3, 1000);
    CHECK(count_now() == CPU_COUNT(&all));
}

/* What somebody else has set while it was bound stays. */
static void yields(void)
{
    struct processor processor = {0};
    cpu_set_t all = now();
    cpu_set_t others = all;
    cpu_set_t set;

    come(&processor, 1, 1, 16);
    CHECK(processor.bound);
    for (size_t i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &processor.here))
            CPU_CLR(i, &others);
    CHECK(sched_setaffinity(0, sizeof(others), &others) == 0);
    processor_look(&processor, 3, 17);
    set = now();
    CHECK(!processor.bound && CPU_EQUAL(&set, &others));
    CHECK(sched_setaffinity(0, sizeof(all), &all) == 0);
}

static void without_a_choice(void)
{
    struct processor processor = {0};
    cpu_set_t one;
    cpu_set_t set;

    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
    come(&processor, 1, 1, 100);
    processor_look(&processor, 3, 101);
    set = now();
    CHECK(!processor.bound && CPU_EQUAL(&set, &one));
}

int main(void)
{
    if (count_now() > 1) {
        with_a_choice();
        lets_go();
        yields();
    }
    without_a_choice();
    return CHECK_RESULT();
}
