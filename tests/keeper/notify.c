/*
 * Tests notify.h: what a service manager hears, in order, and nothing after the end; later, if the
 * manager does not read; and what the environment may say.
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
static unsigned unheard; /* how often the manager was given up */
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

static void on_unheard(void *context)
{
    CHECK(context == &unheard);
    unheard++;
}

static void begin_with(const char *path, const char *period, const char *process)
{
    loop = (struct loop){.now = 10 * LOOP_SECOND};
    (void)(path == NULL ? unsetenv("NOTIFY_SOCKET") : setenv("NOTIFY_SOCKET", path, 1));
    (void)(period == NULL ? unsetenv("WATCHDOG_USEC") : setenv("WATCHDOG_USEC", period, 1));
    (void)(process == NULL ? unsetenv("WATCHDOG_PID") : setenv("WATCHDOG_PID", process, 1));
    notify_open(&notify);
    notify.unheard = on_unheard;
    notify.context = &unheard;
    notify_run(&notify, &loop);
    unheard = 0;
}

static void begin(void)
{
    begin_with(name, NULL, NULL);
    CHECK(notify_is_open(&notify));
}

static void end(void)
{
    CHECK(unheard == 0);
    if (notify.descriptor >= 0)
        (void)close(notify.descriptor);
}

static void tell(enum notify_state state, const char *text)
{
    notify_tell(&notify, state, 0, text);
}

/* Returns true if the next message is this; with NULL, if there is none. */
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

static bool waits(void)
{
    return notify.retry.deadline != 0;
}

/* Returns true if the next message is RELOADING=1 with the present time and this end. */
static bool hears_reloading(const char *rest)
{
    char expected[80];

    (void)snprintf(expected, sizeof(expected), "RELOADING=1\nMONOTONIC_USEC=%llu%s",
                   (unsigned long long)notify.reloading_since, rest);
    return notify.reloading_since + 10 * (uint64_t)LOOP_SECOND > loop_clock() && hears(expected);
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
    begin();
    tell(NOTIFY_READY, "one");
    CHECK(hears("READY=1\nSTATUS=one"));
    tell(NOTIFY_RELOADING, "");
    CHECK(hears_reloading("\nSTATUS=one"));
    tell(NOTIFY_RELOADED, "");
    CHECK(hears("READY=1\nSTATUS=one"));
    tell(NOTIFY_WATCHDOG, "");
    CHECK(hears("WATCHDOG=1"));
    tell(NOTIFY_STATUS, "two");
    CHECK(hears("STATUS=two"));
    tell(NOTIFY_STOPPING, "");
    CHECK(hears("STOPPING=1\nSTATUS=two"));
    tell(NOTIFY_STATUS, "draining");
    CHECK(hears("STATUS=draining") && hears(NULL) && !waits());
    end();
}

static void check_without_status(void)
{
    begin();
    tell(NOTIFY_READY, "");
    CHECK(hears("READY=1"));
    tell(NOTIFY_RELOADING, "");
    CHECK(hears_reloading(""));
    tell(NOTIFY_STOPPING, "");
    CHECK(hears("STOPPING=1") && hears(NULL));
    end();
}

/* Without room, no change of the state is lost, and the last status is sent. */
static void check_full(void)
{
    begin();
    fill();
    tell(NOTIFY_READY, "one");
    tell(NOTIFY_RELOADING, "");
    tell(NOTIFY_RELOADED, "");
    tell(NOTIFY_RELOADING, ""); /* what was before it does not matter */
    tell(NOTIFY_RELOADED, "");
    tell(NOTIFY_STATUS, "two");
    tell(NOTIFY_WATCHDOG, ""); /* is lost: the next one follows soon */
    for (int i = 0; i < 5; i++) {
        CHECK(notify.retry.deadline > loop.now);
        CHECK(notify.retry.deadline <= loop.now + 5 * LOOP_SECOND);
        pass(notify.retry.deadline - loop.now);
    }
    empty();
    pass(6 * LOOP_SECOND);
    CHECK(hears("READY=1\nSTATUS=two"));
    CHECK(hears_reloading("\nSTATUS=two"));
    CHECK(hears("READY=1\nSTATUS=two"));
    CHECK(hears(NULL) && !waits());

    fill();
    tell(NOTIFY_RELOADING, "");
    tell(NOTIFY_STOPPING, "");
    empty();
    pass(LOOP_SECOND);
    CHECK(hears("STOPPING=1\nSTATUS=two") && hears(NULL) && !waits());
    end();
}

/* A reload that has begun again is not over. */
static void check_full_reload(void)
{
    begin();
    fill();
    tell(NOTIFY_RELOADING, "");
    tell(NOTIFY_RELOADED, "");
    tell(NOTIFY_RELOADING, "");
    empty();
    pass(LOOP_SECOND);
    CHECK(hears_reloading("") && hears(NULL));
    end();
}

static void check_full_status(void)
{
    begin();
    fill();
    tell(NOTIFY_STATUS, "one");
    tell(NOTIFY_STATUS, "two");
    CHECK(waits());
    empty();
    tell(NOTIFY_STATUS, "three"); /* no status is urgent */
    CHECK(hears(NULL));
    pass(LOOP_SECOND);
    CHECK(hears("STATUS=three") && hears(NULL) && !waits());
    end();
}

static void check_successor(void)
{
    begin();
    tell(NOTIFY_READY, "");
    CHECK(hears("READY=1"));
    fill();
    tell(NOTIFY_RELOADING, "");
    notify_tell(&notify, NOTIFY_SUCCESSOR, 77, "");
    tell(NOTIFY_STATUS, "two");
    tell(NOTIFY_WATCHDOG, "");
    tell(NOTIFY_STOPPING, "");
    tell(NOTIFY_RELOADED, "");
    CHECK(unheard == 0); /* MAINPID= is still to be sent */
    empty();
    pass(LOOP_SECOND);
    CHECK(hears("MAINPID=77") && unheard == 1);
    CHECK(!notify_is_open(&notify));
    tell(NOTIFY_READY, "");
    tell(NOTIFY_STATUS, "three");
    tell(NOTIFY_WATCHDOG, "");
    pass(LOOP_SECOND);
    CHECK(hears(NULL) && !waits() && unheard == 1);
}

/* A manager that is gone does not come back to this socket. */
static void check_gone(enum notify_state state)
{
    begin();
    tell(NOTIFY_READY, "");
    CHECK(hears("READY=1"));
    (void)close(manager);
    tell(state, "one");
    CHECK(!notify_is_open(&notify) && !waits() && unheard == 1);
    tell(NOTIFY_STOPPING, "");
    notify_tell(&notify, NOTIFY_SUCCESSOR, 77, "");
    CHECK(!waits() && unheard == 1);
    open_manager();
}

int main(void)
{
    log_open(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT, "keeper");
    open_manager();
    check_environment();
    check_watchdog_period();
    check_order();
    check_without_status();
    check_full();
    check_full_reload();
    check_full_status();
    check_successor();
    check_gone(NOTIFY_STATUS);
    check_gone(NOTIFY_WATCHDOG);
    return CHECK_RESULT();
}
