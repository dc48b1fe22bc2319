/*
 * How long handlers run: who is told to end when, and that nobody is told twice or forgotten.
 */
#include "supervisor/running/timeout.h"

#include "tests/shared/check.h"

#include <signal.h>
#include <stddef.h>

enum { CLIENTS = 4, TIMEOUT = 1000, KILL_AFTER = 300 };

static struct timeouts timeouts;
static struct client clients[CLIENTS];

/* One more begins every 100 units. */
static void begin_all(uint64_t timeout)
{
    timeouts_open(&timeouts, timeout, KILL_AFTER);
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.arrival.ticket = i + 1, .started = 100u * i};
        timeouts_begin(&timeouts, &clients[i]);
    }
}

static void check_none(void)
{
    begin_all(0);
    CHECK(timeouts_deadline(&timeouts) == 0);
    CHECK(timeouts_next(&timeouts, UINT64_MAX) == NULL);
    timeouts_end(&timeouts, &clients[0]);
}

static void check_in_order_of_start(void)
{
    begin_all(TIMEOUT);
    CHECK(timeouts_deadline(&timeouts) == TIMEOUT);
    CHECK(timeouts_next(&timeouts, TIMEOUT - 1) == NULL);
    CHECK(timeouts_next(&timeouts, TIMEOUT + 100) == &clients[0] && clients[0].signal == SIGTERM);
    CHECK(timeouts_next(&timeouts, TIMEOUT + 100) == &clients[1] && clients[1].signal == SIGTERM);
    CHECK(timeouts_next(&timeouts, TIMEOUT + 100) == NULL);
    CHECK(clients[2].signal == 0);
    CHECK(timeouts_deadline(&timeouts) == TIMEOUT + 200);
}

/* A dispatcher that was stopped tells late when a handler was started. */
static void check_told_late(void)
{
    static const unsigned told[CLIENTS] = {2, 0, 3, 1};

    timeouts_open(&timeouts, TIMEOUT, KILL_AFTER);
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[told[i]] =
            (struct client){.arrival.ticket = told[i] + 1, .started = 100u * told[i]};
        timeouts_begin(&timeouts, &clients[told[i]]);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        CHECK(timeouts_next(&timeouts, TIMEOUT + 100u * i - 1) == NULL);
        CHECK(timeouts_next(&timeouts, TIMEOUT + 100u * i) == &clients[i]);
        timeouts_end(&timeouts, &clients[i]);
    }
}

/* SIGKILL is due so much later than SIGTERM was sent, however late that was. */
static void check_kill_after(void)
{
    begin_all(TIMEOUT);
    CHECK(timeouts_next(&timeouts, 1050) == &clients[0]);
    timeouts_end(&timeouts, &clients[1]);
    timeouts_end(&timeouts, &clients[2]);
    timeouts_end(&timeouts, &clients[3]);
    CHECK(timeouts_deadline(&timeouts) == 1050 + KILL_AFTER);
    CHECK(timeouts_next(&timeouts, 1050 + KILL_AFTER - 1) == NULL);
    CHECK(timeouts_next(&timeouts, 1050 + KILL_AFTER) == &clients[0]);
    CHECK(clients[0].signal == SIGKILL);
    CHECK(timeouts_next(&timeouts, UINT64_MAX) == NULL);
    CHECK(timeouts_deadline(&timeouts) == 0);
    timeouts_end(&timeouts, &clients[0]); /* it ends at last */
}

/* Of one that is to be terminated and one that is to be killed, the earlier one counts. */
static void check_nearest(void)
{
    begin_all(TIMEOUT);
    CHECK(timeouts_next(&timeouts, TIMEOUT) == &clients[0]);
    CHECK(timeouts_deadline(&timeouts) == TIMEOUT + 100);
    timeouts_end(&timeouts, &clients[1]);
    timeouts_end(&timeouts, &clients[2]);
    CHECK(timeouts_deadline(&timeouts) == TIMEOUT + 300);
    timeouts_end(&timeouts, &clients[3]);
    CHECK(timeouts_deadline(&timeouts) == TIMEOUT + KILL_AFTER);
    timeouts_end(&timeouts, &clients[0]);
    CHECK(timeouts_deadline(&timeouts) == 0);
}

/* Also without a time-out: SIGTERM is due at once, and SIGKILL later. */
static void check_terminated(void)
{
    begin_all(0);
    timeouts_terminate(&timeouts, &clients[1], 50);
    CHECK(clients[1].signal == SIGTERM && clients[0].signal == 0);
    CHECK(timeouts_next(&timeouts, 50 + KILL_AFTER - 1) == NULL);
    CHECK(timeouts_deadline(&timeouts) == 50 + KILL_AFTER);
    CHECK(timeouts_next(&timeouts, 50 + KILL_AFTER) == &clients[1]);
    CHECK(clients[1].signal == SIGKILL && timeouts_deadline(&timeouts) == 0);
    begin_all(TIMEOUT);
    timeouts_terminate(&timeouts, &clients[0], 50);
    CHECK(timeouts_deadline(&timeouts) == 50 + KILL_AFTER);
    CHECK(timeouts_next(&timeouts, TIMEOUT) == &clients[0] && clients[0].signal == SIGKILL);
    CHECK(timeouts_next(&timeouts, TIMEOUT) == NULL);
}

/* A supervisor was killed at any point of that, and the next one finds when SIGKILL is due. */
static void check_recalled(void)
{
    static const struct client left[] = {
        {.accepted = 50, .signal = SIGTERM, .timed = TIMEOUT_NONE},
        {.accepted = 50, .signal = SIGTERM, .timed = TIMEOUT_TERMINATED},
        {.accepted = 50, .signal = SIGTERM, .timed = TIMEOUT_RUNNING},
    };

    for (size_t i = 0; i < sizeof(left) / sizeof(*left); i++) {
        begin_all(0);
        clients[0] = left[i];
        timeouts_recall(&timeouts, &clients[0]);
        CHECK(timeouts_deadline(&timeouts) == 50 + KILL_AFTER);
        CHECK(timeouts_next(&timeouts, 50 + KILL_AFTER) == &clients[0]);
        CHECK(clients[0].signal == SIGKILL);
        timeouts_recall(&timeouts, &clients[0]);
        CHECK(timeouts_deadline(&timeouts) == 0);
    }
    begin_all(TIMEOUT);
    timeouts_end(&timeouts, &clients[0]);
    clients[0] = (struct client){.accepted = 50, .started = 10, .arrival.ticket = 1};
    timeouts_recall(&timeouts, &clients[0]);
    CHECK(timeouts_next(&timeouts, TIMEOUT + 9) == NULL);
    CHECK(timeouts_next(&timeouts, TIMEOUT + 10) == &clients[0] && clients[0].signal == SIGTERM);
}

int main(void)
{
    check_none();
    check_in_order_of_start();
    check_told_late();
    check_kill_after();
    check_nearest();
    check_terminated();
    check_recalled();
    return CHECK_RESULT();
}
