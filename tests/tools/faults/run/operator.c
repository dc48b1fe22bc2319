#include "tests/tools/faults/run/operator.h"

#include "tests/tools/faults/run/visit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    STATUS_WITHIN = 3000, /* milliseconds, which a fault may have kept from being told */
    OPERATOR_WITHIN = 30000
};

/* ---- the operator ---- */

static bool has_read_files(struct run *run)
{
    service_has_ended(&run->service);
    return strstr(service_log(), "SIGHUP") != NULL;
}

static bool has_told_status(struct run *run)
{
    service_has_ended(&run->service);
    return strstr(service_log(), "status: ") != NULL;
}

/* A fault may keep any of these from being answered once. */
void operator_operate(struct run *run)
{
    static const char *const questions[] = {"metrics",         "pause",           "resume",
                                            "set processes 3", "set processes 2", "sources"};
    bool have_read;
    int visit;

    for (unsigned i = 0; i < sizeof(questions) / sizeof(*questions); i++)
        if (!service_ask(questions[i], run->status, sizeof(run->status)) &&
            run->observed->happened == 0)
            run_fail(run, "no answer to %s", questions[i]);
    visit = run->service.metrics == 0
                ? -1
                : visit_begin(run->service.metrics, 1, "GET /metrics HTTP/1.0\r\n\r\n");
    if (visit >= 0 && visit_end(visit, RUN_WITHIN, NULL, 0) == VISIT_HANGING)
        run_fail(run, "a reader of the metrics was neither answered nor cut off");
    run_tell(run, SIGHUP);
    have_read = run_await(run, has_read_files, RUN_WITHIN);
    run_tell(run, SIGUSR1);
    if (!run_await(run, has_told_status, STATUS_WITHIN) && run->observed->happened == 0)
        run_fail(run, "no status was logged");
    if (!have_read && strstr(service_log(), "dropped") == NULL) /* the line is none of those */
        run_fail(run, "nothing was said about SIGHUP");
    (void)run_ask(run, "resume"); /* the pause, if it could not be ended */
}

/* ---- dampenerctl ---- */

static bool has_ended(struct run *run)
{
    return service_has_ended(&run->service);
}

static bool is_ready(struct run *run)
{
    return !service_has_ended(&run->service) && service_is_ready(&run->service);
}

static _Noreturn void become_operator(const char *build, int go)
{
    char program[4096];
    char byte;

    (void)snprintf(program, sizeof(program), "%s/dampenerctl", build);
    if (read(go, &byte, 1) == 1 && freopen("answer", "w", stdout) != NULL &&
        freopen("log", "w", stderr) != NULL)
        (void)execl(program, "dampenerctl", "control", "status", (char *)NULL);
    _exit(2);
}

/* Its answer is whole, or it says that it is not and why. */
static void check_operator(struct run *run)
{
    char text[RUN_STATUS] = "";
    FILE *answer = fopen("answer", "r");
    size_t length = answer == NULL ? 0 : fread(text, 1, sizeof(text) - 1, answer);
    int status = run->service.status;

    if (answer != NULL)
        (void)fclose(answer); /* it was only read */
    if (!WIFEXITED(status))
        run_fail(run, "it ended with wait status %#x", (unsigned)status);
    else if (WEXITSTATUS(status) == 0 && (length == 0 || strstr(text, "rate of starts") == NULL))
        run_fail(run, "it ended with status 0 and half an answer");
    else if (WEXITSTATUS(status) != 0 && service_log()[0] == '\0')
        run_fail(run, "it ended with status %d and said nothing", WEXITSTATUS(status));
    else if (WEXITSTATUS(status) != 0)
        run->outcome.verdict = VERDICT_REFUSED;
    if (run->outcome.verdict == VERDICT_REFUSED)
        (void)snprintf(run->outcome.why, sizeof(run->outcome.why), "%s", service_log());
}

struct outcome scenario_ask(const char *build, const struct fault *fault, struct observed *observed)
{
    static struct run run;
    struct service service;
    int go[2];

    run = (struct run){.fault = fault, .observed = observed};
    memset(observed, 0, sizeof(*observed));
    if (service_start(&service, build, NULL, NULL) != 0 || pipe2(go, 02000000) != 0) {
        run_fail(&run, "cannot start a service: %s", strerror(errno));
        return run.outcome;
    }
    run.service = service;
    (void)run_await(&run, is_ready, RUN_WITHIN);
    observed->phase = PHASE_SERVING;
    run.service.process = fork();
    if (run.service.process == 0)
        become_operator(build, go[0]);
    (void)close(go[0]); /* it is the child's */
    run.service.tracer = tracer_start(run.service.process, ACTOR_OPERATOR, fault, observed);
    if (run.service.tracer < 0 || write(go[1], "", 1) != 1)
        run_fail(&run, "cannot trace it: %s", strerror(errno));
    (void)close(go[1]); /* all is said */
    /* It may wait for an answer for so long to a question that nobody has been asked. */
    if (!run_await(&run, has_ended, OPERATOR_WITHIN))
        run_fail(&run, "it does not end");
    else
        check_operator(&run);
    if (run.outcome.verdict == VERDICT_SURVIVED && fault->call != NULL && observed->happened == 0)
        run.outcome.verdict = VERDICT_NOT_HIT;
    service_kill(&service);
    return run.outcome;
}
