#include "tests/tools/faults/run/run.h"

#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool run_failed(const struct run *run)
{
    return run->outcome.verdict == VERDICT_FAILED;
}

bool run_kills(const struct run *run)
{
    return run->fault->error == CALLS_KILL || run->fault->error == CALLS_KILL_AFTER;
}

void run_fail(struct run *run, const char *format, ...)
{
    va_list arguments;

    if (run_failed(run))
        return;
    va_start(arguments, format);
    (void)vsnprintf(run->outcome.why, sizeof(run->outcome.why), format, arguments);
    va_end(arguments);
    run->outcome.verdict = VERDICT_FAILED;
}

static int64_t now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

bool run_await(struct run *run, bool (*is_so)(struct run *run), int milliseconds)
{
    const int64_t deadline = now() + milliseconds;

    while (!is_so(run)) {
        if (now() > deadline || run->service.process == 0)
            return false;
        service_hear(&run->service);
        (void)usleep(2000);
    }
    return true;
}

void run_tell(struct run *run, int signal_number)
{
    if (!service_has_ended(&run->service))
        (void)kill(run->service.process, signal_number); /* it is there, if only as a zombie */
}

bool run_ask(struct run *run, const char *question)
{
    bool answered = false;

    for (int try = 0; try < RUN_TRIES && !answered; try++)
        answered = service_ask(question, run->status, sizeof(run->status)) &&
                   strncmp(run->status, "error: ", strlen("error: ")) != 0;
    return answered;
}
