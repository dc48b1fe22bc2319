/*
 * What a service manager is told: in order, not too often, and nothing behind the end; with a
 * manager that reads nothing, later; and what the environment may say.
 */
#include "supervisor/keeper/notify.h"

#include "dispatcher/shared/log.h"
#include "tests/shared/check.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct loop loop;
static struct notify notify;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static socklen_t address_length;
static int manager;
static char name[40];

static void open_manager(void)
{
    (void)snprintf(name, sizeof(name), "@dampener-probe-%d", (int)getpid());
    memcpy(address.sun_path, name, sizeof(name));
    address.sun_path[0] = '\0';
    address_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(bind(manager, (struct sockaddr *)&address, address_length) == 0);
}

static void begin_with(const char *path, const char *period, const char *process)
{
    loop = (struct loop){.now = 10 * LOOP_SECOND};
    (void)(path == NULL ? unsetenv("NOTIFY_SOCKET") : setenv("NOTIFY_SOCKET", path, 1));
    (void)(period == NULL ? unsetenv("WATCHDOG_USEC") : setenv("WATCHDOG_USEC", period, 1));
    (void)(process == NULL ? unsetenv("WATCHDOG_PID") : setenv("WATCHDOG_PID", process, 1));
    notify_open(&notify, &loop);
}

static void begin(void)
{
    begin_with(name, NULL, NULL);
    CHECK(notify_is_open(&notify));
}

static void end(void)
{
    if (notify.descriptor >= 0)
        (void)close(notify.descriptor);
}

/* Whether the next message is this; with NULL, whether there is none. */
static bool hears(const char *expected)
{
    char text[512];
    ssize_t length = recv(manager, text, sizeof(text) - 1, MSG_DONTWAIT);

    if (length < 0)
        return expected == NULL && errno == EAGAIN;
    text[length] = '\0';
    if (expected != NULL && strcmp(text, expected) == 0)
        return true;
    (void)fprintf(stderr, "heard '%s'\n", text);
    return false;
}

/* Lets time pass, and calls the expired timers as the loop does. */
static void pass(uint64_t time)
{
    loop.now += time;
    for (struct loop_timer *timer = loop.timers; timer != NULL; timer = timer->next) {
        if (timer->deadline == 0 || timer->deadline > loop.now)
            continue;
        timer->deadline = 0;
        if (timer->expired != NULL)
            timer->expired(timer->context);
    }
}

static bool no_timer_is_set(void)
{
    return notify.retry.deadline == 0 && notify.status_due.deadline == 0;
}

static void fill(void)
{
    while (sendto(notify.descriptor, "x", 1, MSG_DONTWAIT, NULL, 0) == 1)
        ;
    CHECK(errno == EAGAIN);
}

static void empty(void)
{
    char byte;

    while (recv(manager, &byte, 1, MSG_DONTWAIT) >= 0)
        ;
}

/* ---- what is checked ---- */

static void check_environment(void)
{
    static const char *const wrong[] = {"",          "@",       "/",         "relative",
                                        "vsock:2:1", " /run/x", "/nowhere/x"};
    char longest[120];

    begin_with(NULL, "1000000", NULL);
    CHECK(!notify_is_open(&notify) && notify.watchdog_every == 0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        begin_with(wrong[i], NULL, NULL);
        CHECK(!notify_is_open(&notify));
        CHECK(getenv("NOTIFY_SOCKET") == NULL);
    }
    memset(longest, 'x', sizeof(longest));
    longest[0] = '@';
    longest[108] = '\0';
    begin_with(longest, NULL, NULL);
    CHECK(!notify_is_open(&notify));
    /* The longest name that is possible.  No process listens there. */
    longest[107] = '\0';
    begin_with(longest, NULL, NULL);
    CHECK(!notify_is_open(&notify));
}

/* A wrong period costs the watchdog alone: the socket stays open. */
static void check_period(const char *period, const char *process, uint64_t every)
{
    begin_with(name, period, process);
    CHECK(notify_is_open(&notify) && notify.watchdog_every == every);
    CHECK(getenv("WATCHDOG_USEC") == NULL && getenv("WATCHDOG_PID") == NULL);
    end();
}

static void check_watchdog_period(void)
{
    static const char *const wrong[] = {"",   "0",     "-1", "+5",
                                        "1s", "19999", "1 ", "9223372036854775808"};
    char self[20];
    char other[20];

    (void)snprintf(self, sizeof(self), "%d", (int)getpid());
    (void)snprintf(other, sizeof(other), "%d", (int)getppid());
    check_period("3000000", NULL, 1500000);
    check_period("3000000", self, 1500000);
    check_period("3000000", other, 0);
    check_period("3000000", "x", 0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        check_period(wrong[i], NULL, 0);
    CHECK(hears(NULL));
}

static void check_order(void)
{
    char expected[80];

    begin();
    notify_status(&notify, "one");
    CHECK(hears(NULL)); /* nothing before it serves */
    notify_ready(&notify);
    CHECK(hears("READY=1\nSTATUS=one"));
    notify_reloading(&notify);
    (void)snprintf(expected, sizeof(expected), "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=one",
                   (unsigned long long)notify.reloading_since);
    CHECK(notify.reloading_since + 10 * (uint64_t)LOOP_SECOND > loop_clock());
    CHECK(hears(expected));
    notify_reloaded(&notify);
    CHECK(hears("READY=1\nSTATUS=one"));
    notify_watchdog(&notify);
    CHECK(hears("WATCHDOG=1"));
    notify_stopping(&notify);
    CHECK(hears("STOPPING=1\nSTATUS=one"));
    notify_stopping(&notify);
    notify_reloading(&notify);
    notify_reloaded(&notify);
    CHECK(hears(NULL));
    CHECK(notify_takes_status(&notify));
    notify_status(&notify, "draining");
    CHECK(hears("STATUS=draining"));
    CHECK(no_timer_is_set());
    end();
}

static void check_status(void)
{
    begin();
    notify_ready(&notify);
    CHECK(hears("READY=1"));
    CHECK(notify_takes_status(&notify));
    notify_status(&notify, "one");
    CHECK(hears("STATUS=one"));
    notify_status(&notify, "one");
    CHECK(hears(NULL) && no_timer_is_set()); /* nobody has anything to say */
    loop.now += 300 * LOOP_MILLISECOND;
    CHECK(!notify_takes_status(&notify));
    CHECK(notify.status_due.deadline == loop.now + 700 * LOOP_MILLISECOND);
    pass(700 * LOOP_MILLISECOND);
    CHECK(no_timer_is_set());
    CHECK(notify_takes_status(&notify));
    notify_status(&notify, "two");
    CHECK(hears("STATUS=two") && hears(NULL) && no_timer_is_set());
    end();
}

/* With no room, nothing that changes the state is lost, and the last status is told. */
static void check_full(void)
{
    char expected[80];

    begin();
    notify_status(&notify, "one");
    fill();
    notify_ready(&notify);
    notify_reloading(&notify);
    notify_reloaded(&notify);
    notify_reloading(&notify); /* once more: what was before it does not matter */
    notify_reloaded(&notify);
    notify_status(&notify, "two");
    notify_watchdog(&notify);
    for (int i = 0; i < 5; i++) {
        CHECK(notify.retry.deadline > loop.now);
        CHECK(notify.retry.deadline <= loop.now + 5 * LOOP_SECOND);
        pass(notify.retry.deadline - loop.now);
    }
    empty();
    (void)snprintf(expected, sizeof(expected), "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=two",
                   (unsigned long long)notify.reloading_since);
    pass(6 * LOOP_SECOND);
    CHECK(hears("READY=1\nSTATUS=two"));
    CHECK(hears(expected));
    CHECK(hears("READY=1\nSTATUS=two"));
    CHECK(hears(NULL));
    CHECK(no_timer_is_set());

    fill();
    notify_stopping(&notify);
    empty();
    pass(LOOP_SECOND);
    CHECK(hears("STOPPING=1\nSTATUS=two") && hears(NULL));
    end();
}

/* A reload that has begun again is not over. */
static void check_full_reload(void)
{
    char expected[80];

    begin();
    fill();
    notify_reloading(&notify);
    notify_reloaded(&notify);
    notify_reloading(&notify);
    empty();
    pass(LOOP_SECOND);
    (void)snprintf(expected, sizeof(expected), "RELOADING=1\nMONOTONIC_USEC=%llu",
                   (unsigned long long)notify.reloading_since);
    CHECK(hears(expected) && hears(NULL));
    end();
}

static void check_full_status(void)
{
    begin();
    notify_ready(&notify);
    fill();
    notify_status(&notify, "one");
    notify_status(&notify, "two");
    CHECK(notify.retry.deadline != 0);
    empty();
    pass(LOOP_SECOND);
    CHECK(hears("STATUS=two") && hears(NULL) && no_timer_is_set());
    end();
}

static void check_successor(void)
{
    begin();
    notify_ready(&notify);
    CHECK(hears("READY=1"));
    fill();
    notify_reloading(&notify);
    notify_successor(&notify, 77);
    notify_status(&notify, "two");
    notify_watchdog(&notify);
    notify_stopping(&notify);
    notify_reloaded(&notify);
    empty();
    pass(LOOP_SECOND);
    CHECK(hears("MAINPID=77"));
    CHECK(!notify_is_open(&notify) && notify.watchdog_every == 0);
    notify_ready(&notify);
    notify_status(&notify, "three");
    notify_watchdog(&notify);
    pass(LOOP_SECOND);
    CHECK(hears(NULL) && no_timer_is_set());
}

/* A manager that is gone does not come back to this socket. */
static void check_gone(void)
{
    begin();
    notify_ready(&notify);
    CHECK(hears("READY=1"));
    (void)close(manager);
    notify_status(&notify, "one");
    CHECK(!notify_is_open(&notify) && no_timer_is_set());
    notify_stopping(&notify);
    notify_successor(&notify, 77);
    CHECK(no_timer_is_set());
}

int main(void)
{
    log_open(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT, "supervisor");
    open_manager();
    check_environment();
    check_watchdog_period();
    check_order();
    check_status();
    check_full();
    check_full_reload();
    check_full_status();
    check_successor();
    check_gone();
    return CHECK_RESULT();
}
