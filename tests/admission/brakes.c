/*
 * What delays, as a function of time: the opening of gates, and the figures that close them.
 */
#include "supervisor/admission/gates.h"
#include "supervisor/admission/gauge.h"
#include "supervisor/admission/ramp.h"

#include "tests/shared/check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SECOND = 1000000 };

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

static void write_figure(int file, const char *text)
{
    if (pwrite(file, text, strlen(text), 0) != (ssize_t)strlen(text))
        abort();
}

static void check_gauge(void)
{
    int file = memfd_create("gauge", MFD_CLOEXEC);
    char path[64];
    struct gauge gauge;

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    write_figure(file, "1.00\n");
    CHECK(gauge_open(&gauge, path, "") == 0);
    CHECK(gauge_value(&gauge, SECOND) == 1);
    write_figure(file, "2.00\n");
    CHECK(gauge_value(&gauge, SECOND + SECOND / 2 - 1) == 1); /* not read again so soon */
    CHECK(gauge_value(&gauge, SECOND + SECOND / 2) == 2);
    (void)close(gauge.descriptor);
    (void)close(file);
}

static void check_next_look(void)
{
    struct gates gates = {0};

    for (enum admission_reason gate = ADMISSION_LOAD; gate <= ADMISSION_IO; gate++)
        CHECK(gates_next_look(&gates, gate, 5 * SECOND) == 6 * SECOND);
    CHECK(gates_next_look(&gates, ADMISSION_PROCESSES, 5 * SECOND) == 0); /* an event tells it */
}

int main(void)
{
    check_ramp();
    check_ramp_closed_again();
    check_gauge();
    check_next_look();
    return CHECK_RESULT();
}
