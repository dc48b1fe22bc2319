#include "tests/tools/faults/run/scenario.h"

#include "tests/tools/faults/run/checks.h"
#include "tests/tools/faults/run/clients.h"
#include "tests/tools/faults/run/operator.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    HELD_WITHIN = 2000, /* milliseconds, which a fault may keep from being so */
    HOLDING = 2,        /* as many as handlers may run */
    DRAINED = 4         /* clients that wait when the end begins */
};

/* ---- dispatchers and supervisors that are killed ---- */

static void serve_burst(struct run *run)
{
    struct visitor burst[CLIENTS_BURST];

    clients_begin_burst(run, burst);
    clients_end(run, burst, CLIENTS_BURST);
}

static void kill_dispatcher(struct run *run)
{
    pid_t dispatcher = service_child(run->service.process, "dispatcher", false);

    if (dispatcher == 0)
        run_fail(run, "there is no dispatcher");
    else
        (void)kill(dispatcher, SIGKILL);
    serve_burst(run);
    if (!run_await(run, checks_is_complete, RUN_WITHIN))
        run_fail(run, "a dispatcher was not replaced");
}

/* 0 stands for a process that is not there now. */
static void send_signal(pid_t process, int signal_number)
{
    if (process > 0)
        (void)kill(process, signal_number); /* it may be dead */
}

static void stop(pid_t process)
{
    if (process == 0 || kill(process, SIGSTOP) != 0)
        return;
    for (int i = 0; i < 1000 && !service_is_stopped(process); i++)
        (void)usleep(1000);
}

/* If the supervisor dies of the fault meanwhile, the next one waits for the dispatchers; if it has
 * died a moment before, perhaps for the keeper to read the access rules. */
static bool has_given(struct run *run)
{
    if (run->observed->happened != run->happened_before ||
        (service_ask("status", run->status, sizeof(run->status)) &&
         service_number(run->status, "starting") >= HOLDING))
        return true;
    (void)usleep(20000); /* or asking would be the greater part of all calls */
    return false;
}

/* It dies together with a dispatcher, while both dispatchers have been given clients but not taken
 * them, and more clients wait.  The keeper is stopped meanwhile, or it would tell that dispatchers
 * are. */
static void kill_supervisor(struct run *run)
{
    const pid_t keeper = run->service.process;
    struct visitor burst[CLIENTS_BURST];
    pid_t dispatchers[SERVICE_DISPATCHERS];

    run->happened_before = run->observed->happened;
    if (!run_await(run, checks_is_at_rest, RUN_WITHIN))
        run_fail(run, "it does not come to rest before its supervisor is killed");
    stop(keeper);
    for (unsigned i = 0; i < SERVICE_DISPATCHERS; i++)
        stop(dispatchers[i] = service_nth_child(keeper, "dispatcher", i));
    clients_begin_burst(run, burst);
    if (!run_await(run, has_given, HELD_WITHIN) && run->observed->happened == 0)
        run_fail(run, "no dispatcher was given clients");
    run->observed->phase = PHASE_ROLL;
    send_signal(service_supervisor(&run->service), SIGKILL);
    send_signal(dispatchers[0], SIGKILL);
    send_signal(dispatchers[1], SIGCONT);
    send_signal(keeper, SIGCONT);
    clients_end(run, burst, CLIENTS_BURST);
    if (!run_await(run, checks_is_complete, RUN_WITHIN))
        run_fail(run, "the supervisor was not replaced");
    run->observed->phase = PHASE_SERVING;
}

/* ---- the end ---- */

static bool has_ended(struct run *run)
{
    return service_has_ended(&run->service);
}

static bool has_queue(struct run *run)
{
    return service_ask("status", run->status, sizeof(run->status)) &&
           service_number(run->status, "accepted") >= run->books.count;
}

/* A pair that is killed when all is done ends the service, too. */
static bool ended_well(const struct run *run)
{
    const int status = run->service.status;

    return WIFEXITED(status) &&
           (WEXITSTATUS(status) == 0 ||
            (run_kills(run) && WEXITSTATUS(status) == 1 &&
             strstr(service_log(), "the supervisor was killed by signal 9") != NULL));
}

/* With clients that are being served, and others that wait. */
static void drain(struct run *run)
{
    struct visitor holding[HOLDING];
    struct visitor waiting[DRAINED];

    for (unsigned i = 0; i < HOLDING; i++)
        holding[i] = clients_begin(run, 1, 'w', WISH_STAY);
    for (unsigned i = 0; i < DRAINED; i++)
        waiting[i] = clients_begin(run, 1, 'a', WISH_ANSWER);
    if (!run_await(run, has_queue, HELD_WITHIN) && run->observed->happened == 0)
        run_fail(run, "clients were not accepted");
    run->observed->phase = PHASE_END;
    run_tell(run, SIGTERM);
    (void)usleep(10000);
    for (unsigned i = 0; i < HOLDING; i++)
        if (holding[i].descriptor >= 0)
            (void)close(holding[i].descriptor); /* by that its handler ends */
    clients_end(run, waiting, DRAINED);
    if (!run_await(run, has_ended, RUN_WITHIN))
        run_fail(run, "it does not end by SIGTERM");
    else if (!ended_well(run))
        run_fail(run, "it ended with wait status %#x", (unsigned)run->service.status);
    if (run->service.process == 0)
        checks_nothing_left(run);
}

/* ---- the beginning ---- */

static bool is_ready(struct run *run)
{
    return !service_has_ended(&run->service) && service_is_ready(&run->service);
}

static const char *last_line(char *text)
{
    size_t length = strlen(text);
    char *line;

    while (length > 0 && text[length - 1] == '\n')
        text[--length] = '\0';
    line = strrchr(text, '\n');
    return line == NULL ? text : line + 1;
}

/* It may refuse to start if it says so; the command's own faults have their statuses. */
static void check_refusal(struct run *run)
{
    char *text = strdup(service_log());
    int status = WIFEXITED(run->service.status) ? WEXITSTATUS(run->service.status) : -1;

    if (text == NULL) {
        run_fail(run, "there is no memory for its log");
        return;
    }
    if (status != 1 && status != 126 && status != 127)
        run_fail(run, "it did not start: wait status %#x: %s", (unsigned)run->service.status,
                 last_line(text));
    else if (strstr(text, "[ERROR] ") == NULL)
        run_fail(run, "it did not start, and said nothing of why");
    else if (run->fault->phase != PHASE_START)
        run_fail(run, "it did not start, without a fault");
    run->outcome.verdict = run_failed(run) ? VERDICT_FAILED : VERDICT_REFUSED;
    if (!run_failed(run))
        (void)snprintf(run->outcome.why, sizeof(run->outcome.why), "%s", last_line(text));
    free(text);
    checks_nothing_left(run);
}

static void check_beginning(struct run *run)
{
    if (run_await(run, is_ready, RUN_WITHIN)) {
        if (!run_await(run, checks_is_complete, RUN_WITHIN))
            run_fail(run, "its dispatchers do not become ready");
    } else if (run->service.process == 0) {
        check_refusal(run);
    } else {
        run_fail(run, "it neither becomes ready nor ends");
    }
}

/* ---- a run ---- */

/* It ends early at the first failure. */
static void serve(struct run *run)
{
    static void (*const steps[])(struct run *) = {
        serve_burst,     clients_queue,        operator_operate, kill_dispatcher,
        kill_supervisor, clients_check_answer, checks_rest,      drain};

    for (unsigned i = 0; i < sizeof(steps) / sizeof(*steps) && !run_failed(run); i++) {
        steps[i](run);
        if (run->service.process != 0 && service_has_ended(&run->service))
            run_fail(run, "it died, with wait status %#x", (unsigned)run->service.status);
    }
}

static void conclude(struct run *run, bool measuring)
{
    if (measuring)
        run->usual->calls = run->observed->total;
    checks_calls(run);
    checks_log(run);
    checks_books(run);
    if (run->outcome.verdict == VERDICT_SURVIVED && run->fault->call != NULL &&
        run->observed->happened == 0)
        run->outcome.verdict = VERDICT_NOT_HIT;
    service_kill(&run->service);
}

struct outcome scenario_run(const char *build, const struct fault *fault, struct observed *observed,
                            struct measure *usual, bool measuring)
{
    static struct run run;

    run = (struct run){.fault = fault, .observed = observed, .usual = usual};
    memset(observed, 0, sizeof(*observed));
    if (service_start(&run.service, build, fault, observed) != 0)
        run_fail(&run, "cannot start it: %s", strerror(errno));
    else
        check_beginning(&run);
    if (run.outcome.verdict == VERDICT_SURVIVED) {
        if (measuring)
            checks_measure(&run, usual);
        observed->phase = PHASE_SERVING;
        serve(&run);
    }
    conclude(&run, measuring);
    return run.outcome;
}
