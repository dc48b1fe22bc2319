#include "tests/tools/faults/run/scenario.h"

#include "tests/shared/proc.h"
#include "tests/tools/faults/run/service.h"
#include "tests/tools/faults/run/visit.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    WITHIN = 20000,       /* milliseconds: whatever is awaited */
    STATUS_WITHIN = 3000, /* which a fault may have kept from being told */
    OPERATOR_WITHIN = 30000,
    STATUS_SIZE = 16 * 1024,
    BURST = 6,
    STAYING = 2,          /* clients whose handlers are ended by their time limit */
    TRIES = 3,            /* as the fault may come so late that it meets the last client */
    CALLS_MORE = 1500,    /* than twice those of an undisturbed run: what trying again takes */
    PROCESSOR_MOST = 1500 /* milliseconds */
};

/* One run. */
struct run {
    struct service service;
    const struct fault *fault;
    struct observed *observed;
    struct measure *usual;
    struct outcome outcome;
    pid_t killed; /* the dispatcher that was */
    char status[STATUS_SIZE];
};

static bool failed(const struct run *run)
{
    return run->outcome.verdict == VERDICT_FAILED;
}

/* The first reason counts. */
__attribute__((format(printf, 2, 3))) static void fail(struct run *run, const char *format, ...)
{
    va_list arguments;

    if (failed(run))
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

/* Waits until it is so, or the daemon has ended. */
static bool await(struct run *run, bool (*is_so)(struct run *run), int milliseconds)
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

/* It may be dead. */
static void tell(struct run *run, int signal_number)
{
    if (!service_has_ended(&run->service))
        (void)kill(run->service.process, signal_number); /* it is there, if only as a zombie */
}

/* ---- the clients ---- */

static int begin(struct run *run, unsigned from, const char *words)
{
    int descriptor = visit_begin(run->service.port, from, words);

    if (descriptor < 0)
        fail(run, "a client could not connect: %s", strerror(errno));
    return descriptor;
}

static void end(struct run *run, int descriptor)
{
    if (descriptor < 0)
        return;
    switch (visit_end(descriptor, WITHIN, NULL, 0)) {
    case VISIT_ANSWERED:
        break;
    case VISIT_CUT:
        run->outcome.cut++;
        break;
    case VISIT_HANGING:
        fail(run, "a client was neither answered nor cut off");
    }
}

static void serve_burst(struct run *run)
{
    int clients[BURST];

    for (int i = 0; i < BURST; i++)
        clients[i] = begin(run, 1, "a\n");
    for (int i = 0; i < BURST; i++)
        end(run, clients[i]);
}

/* Two handlers stay until their time is over; behind them wait one that gives up, and one that
 * does not. */
static void serve_queue(struct run *run)
{
    int staying[STAYING] = {begin(run, 1, "s\n"), begin(run, 1, "s\n")};
    int leaving = begin(run, 3, "a\n");
    int waiting = begin(run, 1, "a\n");
    int denied = begin(run, 2, "a\n");

    (void)service_ask("status", run->status,
                      sizeof(run->status)); /* what it says is looked at later */
    if (leaving >= 0)
        visit_reset(leaving);
    for (int i = 0; i < STAYING; i++)
        if (staying[i] >= 0 && visit_end(staying[i], WITHIN, NULL, 0) == VISIT_HANGING)
            fail(run, "a handler was not ended by its time limit");
    end(run, waiting);
    if (denied >= 0 && visit_end(denied, WITHIN, NULL, 0) == VISIT_HANGING)
        fail(run, "a client that is denied was neither told nor cut off");
}

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
static void operate(struct run *run)
{
    static const char *const questions[] = {"metrics",         "pause",           "resume",
                                            "set processes 3", "set processes 2", "sources"};
    bool have_read;
    int visit;

    for (unsigned i = 0; i < sizeof(questions) / sizeof(*questions); i++)
        if (!service_ask(questions[i], run->status, sizeof(run->status)) &&
            run->observed->happened == 0)
            fail(run, "no answer to %s", questions[i]);
    visit = run->service.metrics == 0
                ? -1
                : visit_begin(run->service.metrics, 1, "GET /metrics HTTP/1.0\r\n\r\n");
    if (visit >= 0 && visit_end(visit, WITHIN, NULL, 0) == VISIT_HANGING)
        fail(run, "a reader of the metrics was neither answered nor cut off");
    tell(run, SIGHUP);
    have_read = await(run, has_read_files, WITHIN);
    tell(run, SIGUSR1);
    if (!await(run, has_told_status, STATUS_WITHIN) && run->observed->happened == 0)
        fail(run, "no status was logged");
    if (!have_read && strstr(service_log(), "dropped") == NULL) /* the line is none of those */
        fail(run, "nothing was said about SIGHUP");
    /* The pause, if it could not be ended. */
    for (int try = 0; try < TRIES && !service_ask("resume", run->status, sizeof(run->status));
         try++)
        continue;
}

/* ---- the dispatchers ---- */

static bool is_complete(struct run *run)
{
    char *dispatchers;

    service_has_ended(&run->service);
    if (!service_ask("status", run->status, sizeof(run->status)) ||
        (dispatchers = strstr(run->status, "\"dispatchers\":")) == NULL)
        return false;
    return service_number(dispatchers, "ready") == SERVICE_DISPATCHERS;
}

static void kill_dispatcher(struct run *run)
{
    run->killed = service_child(run->service.process, "dispatcher", false);
    if (run->killed == 0)
        fail(run, "there is no dispatcher");
    else
        (void)kill(run->killed, SIGKILL);
    serve_burst(run);
    if (!await(run, is_complete, WITHIN))
        fail(run, "a dispatcher was not replaced");
}

/* ---- what must be so afterwards ---- */

static void check_answer(struct run *run)
{
    enum visit_end result = VISIT_CUT;

    for (int try = 0; try < TRIES && result == VISIT_CUT && !failed(run); try++) {
        int client = begin(run, 1, "a\n");

        if (client >= 0)
            result = visit_end(client, WITHIN, NULL, 0);
    }
    if (result != VISIT_ANSWERED)
        fail(run, "the service does not answer any more");
}

static long sum(const char *status, const char *const *names)
{
    long result = 0;

    for (; *names != NULL; names++)
        result += service_number(status, *names);
    return result;
}

static bool adds_up(const char *status)
{
    static const char *const ways[] = {
        "queued",        "starting",       "running",         "served",  "abandoned",   "denied",
        "refused_queue", "refused_source", "refused_timeout", "dropped", "handed_over", NULL};

    return service_number(status, "accepted") >= 0 &&
           service_number(status, "accepted") == sum(status, ways);
}

static bool is_at_rest(struct run *run)
{
    static const char *const under_way[] = {"queued", "starting", "running", "lingering", NULL};

    return is_complete(run) && sum(run->status, under_way) == 0;
}

static bool has_no_zombie(struct run *run)
{
    pid_t dispatcher;

    service_has_ended(&run->service);
    dispatcher = service_child(run->service.process, "dispatcher", false);
    return service_child(run->service.process, NULL, true) == 0 &&
           (dispatcher == 0 || service_child(dispatcher, NULL, true) == 0);
}

static bool has_its_descriptors(struct run *run)
{
    pid_t supervisor;
    pid_t dispatcher;

    service_has_ended(&run->service);
    dispatcher = service_child(run->service.process, "dispatcher", false);
    supervisor = service_child(run->service.process, "supervisor", false);
    return proc_descriptors(run->service.process) <= run->usual->keeper &&
           proc_descriptors(supervisor) <= run->usual->supervisor &&
           proc_descriptors(dispatcher) <= run->usual->dispatcher;
}

static void check_rest(struct run *run)
{
    const pid_t supervisor = service_child(run->service.process, "supervisor", false);
    long used;

    if (!await(run, is_at_rest, WITHIN))
        fail(run, "it does not come to rest: %.200s", run->status);
    else if (!adds_up(run->status))
        fail(run, "the counters do not add up: %.300s", strstr(run->status, "\"accepted\""));
    if (!await(run, has_no_zombie, WITHIN))
        fail(run, "a zombie was left");
    if (!await(run, has_its_descriptors, WITHIN))
        fail(run, "descriptors were left: %d, %d and %d instead of %d, %d and %d",
             proc_descriptors(run->service.process), proc_descriptors(supervisor),
             proc_descriptors(service_child(run->service.process, "dispatcher", false)),
             run->usual->keeper, run->usual->supervisor, run->usual->dispatcher);
    used = service_processor_time(run->service.process) + service_processor_time(supervisor);
    if (used > PROCESSOR_MOST)
        fail(run, "it took %ld ms of processor", used);
    if (strstr(service_log(), "do not add up") != NULL)
        fail(run, "accepted clients did not add up");
}

/* ---- the end ---- */

static bool has_ended(struct run *run)
{
    return service_has_ended(&run->service);
}

static bool nobody_is_left(struct run *run)
{
    return !service_is_left(&run->service, run->status, sizeof(run->status));
}

/* Of what may have happened, only the removal of files itself may fail. */
static void check_files(struct run *run)
{
    static const char *const files[] = {"pid", "control"};

    for (unsigned i = 0; i < sizeof(files) / sizeof(*files); i++)
        if (access(files[i], F_OK) == 0 && strstr(service_log(), "cannot remove") == NULL)
            fail(run, "the file %s was left, and nothing was said", files[i]);
}

static void await_all(struct run *run)
{
    const int64_t deadline = now() + WITHIN;

    while (!nobody_is_left(run) && now() < deadline)
        (void)usleep(2000);
    if (!nobody_is_left(run))
        fail(run, "a process was left: %s", run->status);
    check_files(run);
}

/* With a client that is being served. */
static void drain(struct run *run)
{
    int client = begin(run, 1, "w\n");

    (void)await(run, is_complete, WITHIN);
    run->observed->phase = PHASE_END;
    tell(run, SIGTERM);
    (void)usleep(10000);
    if (client >= 0)
        (void)close(client); /* by that its handler ends */
    if (!await(run, has_ended, WITHIN))
        fail(run, "it does not end by SIGTERM");
    else if (!WIFEXITED(run->service.status) || WEXITSTATUS(run->service.status) != 0)
        fail(run, "it ended with wait status %#x", (unsigned)run->service.status);
    if (run->service.process == 0)
        await_all(run);
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

    if (text == NULL || (status != 1 && status != 126 && status != 127))
        fail(run, "it did not start: wait status %#x: %s", (unsigned)run->service.status,
             text == NULL ? "" : last_line(text));
    else if (strstr(text, "[ERROR] ") == NULL)
        fail(run, "it did not start, and said nothing of why");
    else if (run->fault->phase != PHASE_START)
        fail(run, "it did not start, without a fault");
    run->outcome.verdict = failed(run) ? VERDICT_FAILED : VERDICT_REFUSED;
    if (!failed(run))
        (void)snprintf(run->outcome.why, sizeof(run->outcome.why), "%s", last_line(text));
    free(text);
    await_all(run);
}

static void check_beginning(struct run *run)
{
    if (await(run, is_ready, WITHIN)) {
        if (!await(run, is_complete, WITHIN))
            fail(run, "its dispatchers do not become ready");
    } else if (run->service.process == 0) {
        check_refusal(run);
    } else {
        fail(run, "it neither becomes ready nor ends");
    }
}

static void measure(struct run *run)
{
    run->usual->keeper = proc_descriptors(run->service.process);
    run->usual->supervisor =
        proc_descriptors(service_child(run->service.process, "supervisor", false));
    run->usual->dispatcher =
        proc_descriptors(service_child(run->service.process, "dispatcher", false));
}

/* It ends early at the first failure. */
static void serve(struct run *run)
{
    static void (*const steps[])(struct run *) = {
        serve_burst, serve_queue, operate, kill_dispatcher, check_answer, check_rest, drain};

    for (unsigned i = 0; i < sizeof(steps) / sizeof(*steps) && !failed(run); i++) {
        steps[i](run);
        if (run->service.process != 0 && service_has_ended(&run->service))
            fail(run, "it died, with wait status %#x", (unsigned)run->service.status);
    }
}

static void check_log(struct run *run)
{
    const char *finding = strstr(service_log(), "[BUG] ");

    if (finding == NULL)
        finding = strstr(service_log(), "Sanitizer");
    if (finding == NULL)
        finding = strstr(service_log(), "runtime error");
    if (finding != NULL && run->outcome.verdict == VERDICT_FAILED)
        (void)snprintf(run->outcome.why + strlen(run->outcome.why),
                       sizeof(run->outcome.why) - strlen(run->outcome.why), "; %.150s", finding);
    else if (finding != NULL)
        fail(run, "it found itself wrong: %.200s", finding);
}

/* Clients whose handlers have had no time to answer before their limit, on a busy machine. */
static unsigned late_clients(void)
{
    const double limit = strtod(SERVICE_TIMEOUT, NULL);
    unsigned count = 0;

    for (const char *at = service_log(); (at = strstr(at, ", ran ")) != NULL;) {
        char *rest;
        const double seconds = strtod(at += strlen(", ran "), &rest);

        count += seconds >= limit && strncmp(rest, " s, killed by signal 15", 23) == 0;
    }
    return count > STAYING ? count - STAYING : 0;
}

/* Names the most frequent call. */
static void fail_for_calls(struct run *run)
{
    const unsigned *counts = &run->observed->counts[0][0][0];
    unsigned most = 0;
    const struct call *call;

    for (unsigned i = 0; i < ACTORS * PHASES * CALLS_KINDS; i++)
        most = counts[i] > counts[most] ? i : most;
    call = calls_by_kind(most % CALLS_KINDS);
    fail(run, "%u system calls were made, and %u are usual; %u are %s of %s, %s",
         run->observed->total, run->usual->calls, counts[most],
         call == NULL ? "others" : call->name, tracer_actors[most / CALLS_KINDS / PHASES],
         tracer_phases[most / CALLS_KINDS % PHASES]);
}

static void conclude(struct run *run, bool measuring)
{
    const unsigned bound = 2 * run->usual->calls + CALLS_MORE;
    const unsigned late = late_clients();

    run->outcome.cut -= late < run->outcome.cut ? late : run->outcome.cut;
    if (measuring)
        run->usual->calls = run->observed->total;
    else if (run->observed->total > bound)
        fail_for_calls(run);
    check_log(run);
    if (run->outcome.verdict == VERDICT_SURVIVED && run->fault->call != NULL &&
        run->observed->happened == 0)
        run->outcome.verdict = VERDICT_NOT_HIT;
    else if (run->outcome.cut > 2)
        fail(run, "%u clients were cut off", run->outcome.cut);
    service_kill(&run->service);
}

struct outcome scenario_run(const char *build, const struct fault *fault, struct observed *observed,
                            struct measure *usual, bool measuring)
{
    static struct run run;

    run = (struct run){.fault = fault, .observed = observed, .usual = usual};
    memset(observed, 0, sizeof(*observed));
    if (service_start(&run.service, build, fault, observed) != 0)
        fail(&run, "cannot start it: %s", strerror(errno));
    else
        check_beginning(&run);
    if (run.outcome.verdict == VERDICT_SURVIVED) {
        if (measuring)
            measure(&run);
        observed->phase = PHASE_SERVING;
        serve(&run);
    }
    conclude(&run, measuring);
    return run.outcome;
}

/* ---- dampenerctl ---- */

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
    char text[STATUS_SIZE] = "";
    FILE *answer = fopen("answer", "r");
    size_t length = answer == NULL ? 0 : fread(text, 1, sizeof(text) - 1, answer);
    int status = run->service.status;

    if (answer != NULL)
        (void)fclose(answer); /* it was only read */
    if (!WIFEXITED(status))
        fail(run, "it ended with wait status %#x", (unsigned)status);
    else if (WEXITSTATUS(status) == 0 && (length == 0 || strstr(text, "rate of starts") == NULL))
        fail(run, "it ended with status 0 and half an answer");
    else if (WEXITSTATUS(status) != 0 && service_log()[0] == '\0')
        fail(run, "it ended with status %d and said nothing", WEXITSTATUS(status));
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
        fail(&run, "cannot start a service: %s", strerror(errno));
        return run.outcome;
    }
    run.service = service;
    (void)await(&run, is_ready, WITHIN);
    observed->phase = PHASE_SERVING;
    run.service.process = fork();
    if (run.service.process == 0)
        become_operator(build, go[0]);
    (void)close(go[0]); /* it is the child's */
    run.service.tracer = tracer_start(run.service.process, ACTOR_OPERATOR, fault, observed);
    if (run.service.tracer < 0 || write(go[1], "", 1) != 1)
        fail(&run, "cannot trace it: %s", strerror(errno));
    (void)close(go[1]); /* all is said */
    /* It may wait for an answer for so long to a question that nobody has been asked. */
    if (!await(&run, has_ended, OPERATOR_WITHIN))
        fail(&run, "it does not end");
    else
        check_operator(&run);
    if (run.outcome.verdict == VERDICT_SURVIVED && fault->call != NULL && observed->happened == 0)
        run.outcome.verdict = VERDICT_NOT_HIT;
    service_kill(&service);
    return run.outcome;
}
