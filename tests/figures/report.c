/*
 * Reports: how ends of handlers are counted, which of them are trouble, and that lines about
 * trouble do not flood the log.
 */
#include "supervisor/figures/report.h"

#include "dispatcher/shared/log.h"
#include "tests/shared/check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* As wait(2) gives them. */
static const int success = 0;
static const int failure = 3 << 8;
static const int not_begun = 127 << 8;
static const int killed = SIGKILL;
static const int faulty = SIGSEGV;
static const int broken_pipe = SIGPIPE;

static struct loop loop;
static struct report report;
static int standard_error;
static int file;

static void begin(void)
{
    loop = (struct loop){.now = LOOP_SECOND};
    report = (struct report){0};
    report_open(&report, &loop, "cmd");
}

/* From now on the log goes to a file. */
static void capture(void)
{
    standard_error = dup(STDERR_FILENO);
    file = memfd_create("log", MFD_CLOEXEC);
    if (standard_error < 0 || file < 0 || fcntl(file, F_SETFL, O_APPEND) != 0 ||
        dup2(file, STDERR_FILENO) < 0)
        abort();
    log_open(LOG_LEVEL_WARNING, LOG_FORMAT_TEXT, "supervisor");
}

/* Whether the log since then is this. */
static bool has_logged(const char *expected)
{
    static char bytes[4096];
    ssize_t length = pread(file, bytes, sizeof(bytes) - 1, 0);

    (void)dup2(standard_error, STDERR_FILENO);
    (void)close(standard_error);
    (void)close(file);
    bytes[length < 0 ? 0 : length] = '\0';
    if (strcmp(bytes, expected) != 0)
        (void)fprintf(stderr, "logged:\n%sand not:\n%s", bytes, expected);
    return strcmp(bytes, expected) == 0;
}

static void refuse(enum report_trouble refusal, unsigned count)
{
    const struct endpoint remote = {.port = 0};

    for (unsigned i = 0; i < count; i++)
        report_refused(&report, &remote, refusal);
}

static void end(const int *status, bool signalled)
{
    const struct endpoint remote = {.port = 0};
    const struct report_client client = {
        .ticket = 7, .process = 8, .remote = &remote, .signalled = signalled};

    report_ended(&report, &client, 1, status, NULL);
}

static void check_exits(void)
{
    const struct report_client client = {.ticket = 7, .foreign = true};

    begin();
    capture();
    report_ended(&report, &client, 1, &success, NULL);
    report_ended(&report, &client, 1, &failure, NULL);
    report_ended(&report, &client, 1, &failure, NULL);
    report_ended(&report, &client, 1, &faulty, NULL);
    report_ended(&report, &client, 1, NULL, NULL);
    CHECK(has_logged("")); /* another process does */
    CHECK(report.counts.exits[REPORT_SUCCESS] == 1 && report.counts.exits[REPORT_FAILURE] == 2);
    CHECK(report.counts.exits[REPORT_SIGNAL] == 1 && report.counts.exits[REPORT_UNKNOWN] == 1);
    CHECK(report.runs.count == 5 && report.runs.sum == 5);
}

static void check_trouble(void)
{
    begin();
    capture();
    end(&success, false);
    end(&failure, false);
    end(NULL, false);
    end(&broken_pipe, false);
    end(&killed, true);
    CHECK(has_logged(""));
    capture();
    end(&killed, false);
    end(&faulty, false);
    end(&not_begun, false);
    CHECK(has_logged(
        "[WARNING] ticket 7: its handler, process 8, was killed by signal 9; is there too little "
        "memory?\n"
        "[WARNING] ticket 7: its handler, process 8, was killed by signal 11\n"
        "[WARNING] ticket 7: its handler, process 8, ended with status 127: 'cmd', or a program "
        "that it runs, could not begin; its standard error says why, perhaps a --limit\n"));
}

/* A few lines of each kind in a period of ten seconds, then the number of the others. */
static void check_left_out(void)
{
    static const char denied[] = "[WARNING] denied ? port 0 by the access rules\n";
    static const char full[] = "[WARNING] refused ? port 0: the queue is full\n";
    char expected[1024] = "";

    begin();
    for (int i = 0; i < 5; i++)
        (void)strcat(expected, denied);
    (void)strcat(expected, full);
    capture();
    CHECK(report.period.deadline == 0);
    refuse(REPORT_DENIED, 8);
    CHECK(report.period.deadline == 11 * LOOP_SECOND);
    loop.now += 9 * LOOP_SECOND;
    refuse(REPORT_QUEUE, 1);
    CHECK(report.period.deadline == 11 * LOOP_SECOND);
    CHECK(has_logged(expected));
    capture();
    report.period.expired(report.period.context);
    CHECK(has_logged(
        "[WARNING] 3 more clients were denied by the access rules, not logged one by one\n"));
    CHECK(report.period.deadline == 0);
    capture();
    report_left_out(&report); /* there is nothing to say */
    refuse(REPORT_DENIED, 1);
    CHECK(has_logged(denied));
}

static void check_recovery(void)
{
    static const char failed[] = "[WARNING] ticket 7: cannot start a handler, 'cmd': Resource "
                                 "temporarily unavailable; the client waits, next attempt in "
                                 "2500 ms\n";
    const struct endpoint remote = {.port = 0};
    const struct report_client client = {.ticket = 7, .remote = &remote};
    char expected[1024] = "";

    begin();
    (void)strcat(strcat(expected, failed), "[WARNING] handlers can be started again\n");
    for (int i = 1; i < 5; i++)
        (void)strcat(expected, failed);
    (void)strcat(expected, "[WARNING] 2 more starts failed, not logged one by one; handlers can be "
                           "started again\n");
    capture();
    errno = EAGAIN;
    report_start_failed(&report, 7, 2500 * LOOP_MILLISECOND);
    report_started(&report, &client, 1, 0);
    for (int i = 1; i < 7; i++)
        report_start_failed(&report, 7, 2500 * LOOP_MILLISECOND);
    report_started(&report, &client, 1, 0); /* the next line says it */
    report_left_out(&report);
    CHECK(has_logged(expected));
    CHECK(report.counts.starts_failed == 7);
}

int main(void)
{
    check_exits();
    check_trouble();
    check_left_out();
    check_recovery();
    return CHECK_RESULT();
}
