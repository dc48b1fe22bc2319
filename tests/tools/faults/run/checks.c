#include "tests/tools/faults/run/checks.h"

#include "tests/shared/proc.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    CALLS_MORE = 2500,    /* than twice those of an undisturbed run: what trying again takes */
    PROCESSOR_MOST = 1500 /* milliseconds */
};

/* ---- rest ---- */

bool checks_is_complete(struct run *run)
{
    const char *dispatchers;

    service_has_ended(&run->service);
    if (!service_is_paired(&run->service) ||
        !service_ask("status", run->status, sizeof(run->status)) ||
        (dispatchers = strstr(run->status, "\"dispatchers\":")) == NULL)
        return false;
    return service_number(dispatchers, "ready") == SERVICE_DISPATCHERS;
}

static long sum(const char *status, const char *const *names)
{
    long result = 0;

    for (; *names != NULL; names++)
        result += service_number(status, *names);
    return result;
}

bool checks_is_at_rest(struct run *run)
{
    static const char *const under_way[] = {"queued", "starting", "running", "lingering", NULL};

    return checks_is_complete(run) && sum(run->status, under_way) == 0;
}

/* ---- what a daemon at rest has ---- */

static bool adds_up(const char *status)
{
    static const char *const ways[] = {
        "queued",        "starting",       "running",         "served",  "abandoned",   "denied",
        "refused_queue", "refused_source", "refused_timeout", "dropped", "handed_over", NULL};

    return service_number(status, "accepted") >= 0 &&
           service_number(status, "accepted") == sum(status, ways);
}

static bool has_zombie(pid_t process)
{
    return process != 0 && service_child(process, NULL, true) != 0;
}

static bool has_no_zombie(struct run *run)
{
    const pid_t keeper = run->service.process;

    return service_has_ended(&run->service) ||
           (!has_zombie(keeper) && !has_zombie(service_standby(&run->service)) &&
            !has_zombie(service_child(keeper, "dispatcher", false)));
}

void checks_measure(const struct run *run, struct measure *measure)
{
    const pid_t keeper = run->service.process;

    measure->keeper = proc_descriptors(keeper);
    measure->supervisor = proc_descriptors(service_supervisor(&run->service));
    measure->dispatcher = proc_descriptors(service_child(keeper, "dispatcher", false));
}

static bool has_its_descriptors(struct run *run)
{
    struct measure now = {0};

    if (service_has_ended(&run->service))
        return false;
    checks_measure(run, &now);
    return now.keeper <= run->usual->keeper && now.supervisor <= run->usual->supervisor &&
           now.dispatcher <= run->usual->dispatcher;
}

static void check_descriptors(struct run *run)
{
    struct measure now = {0};

    if (run_await(run, has_its_descriptors, RUN_WITHIN))
        return;
    checks_measure(run, &now);
    run_fail(run, "descriptors were left: %d, %d and %d instead of %d, %d and %d", now.keeper,
             now.supervisor, now.dispatcher, run->usual->keeper, run->usual->supervisor,
             run->usual->dispatcher);
}

/* In the status, listeners have numbers of the same names before the service's own. */
static const char *own_counters(const struct run *run)
{
    const char *counters = strstr(run->status, "\"accepted\"");

    return counters == NULL ? "" : counters;
}

/* Counts the handlers that their time limit ended before they could note it themselves, as happens
 * on a busy machine.  Nothing else kills any. */
static unsigned late_handlers(void)
{
    unsigned count = 0;

    for (const char *at = service_log(); (at = strstr(at, " s, killed by signal ")) != NULL; at++)
        count++;
    return count;
}

/* A client that has reset its connection may not have been counted. */
static void check_counters(struct run *run)
{
    const struct books_verdict verdict = books_judge(&run->books);
    const char *counters = own_counters(run);
    const long accepted = service_number(counters, "accepted");
    const long served = service_number(counters, "served");

    run->dropped = service_number(counters, "dropped");
    if (!adds_up(counters))
        run_fail(run, "the counters do not add up: %.300s", counters);
    else if (run_kills(run) && run->dropped == 0 &&
             (accepted < run->books.count - 1 || accepted > run->books.count ||
              served < verdict.began || served > verdict.began + late_handlers()))
        run_fail(run, "%u clients came and %u handlers began: %.300s", run->books.count,
                 verdict.began, counters);
}

void checks_rest(struct run *run)
{
    const pid_t keeper = run->service.process;
    long used;

    if (run_await(run, checks_is_at_rest, RUN_WITHIN))
        check_counters(run);
    else
        run_fail(run, "it does not come to rest: %.200s", run->status);
    if (!run_await(run, has_no_zombie, RUN_WITHIN))
        run_fail(run, "a zombie was left");
    check_descriptors(run);
    used = service_processor_time(keeper) + service_processor_time(service_standby(&run->service)) +
           service_processor_time(service_supervisor(&run->service));
    if (used > PROCESSOR_MOST)
        run_fail(run, "it took %ld ms of processor", used);
    if (strstr(service_log(), "do not add up") != NULL)
        run_fail(run, "accepted clients did not add up");
}

/* ---- the end ---- */

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
            run_fail(run, "the file %s was left, and nothing was said", files[i]);
}

void checks_nothing_left(struct run *run)
{
    for (int waited = 0; !nobody_is_left(run) && waited < RUN_WITHIN; waited += 2)
        (void)usleep(2000);
    if (!nobody_is_left(run))
        run_fail(run, "a process was left: %s", run->status);
    check_files(run);
}

/* ---- the whole run ---- */

void checks_log(struct run *run)
{
    const char *finding = strstr(service_log(), "[BUG] ");

    if (finding == NULL)
        finding = strstr(service_log(), "Sanitizer");
    if (finding == NULL)
        finding = strstr(service_log(), "runtime error");
    if (finding != NULL && run_failed(run))
        (void)snprintf(run->outcome.why + strlen(run->outcome.why),
                       sizeof(run->outcome.why) - strlen(run->outcome.why), "; %.150s", finding);
    else if (finding != NULL)
        run_fail(run, "it found itself wrong: %.200s", finding);
}

/* Names the most frequent call. */
void checks_calls(struct run *run)
{
    const unsigned *counts = &run->observed->counts[0][0][0];
    unsigned most = 0;
    const struct call *call;

    if (run->observed->total <= 2 * run->usual->calls + CALLS_MORE)
        return;
    for (unsigned i = 0; i < ACTORS * PHASES * CALLS_KINDS; i++)
        most = counts[i] > counts[most] ? i : most;
    call = calls_by_kind(most % CALLS_KINDS);
    run_fail(run, "%u system calls were made, and %u are usual; %u are %s of %s, %s",
             run->observed->total, run->usual->calls, counts[most],
             call == NULL ? "others" : call->name, tracer_actors[most / CALLS_KINDS / PHASES],
             tracer_phases[most / CALLS_KINDS % PHASES]);
}

/* An error may cost clients their connections, whose number is then bounded.  The death of a
 * process must not, unless supervisor and standby die together: then clients count as dropped. */
void checks_books(struct run *run)
{
    const struct books_verdict verdict = books_judge(&run->books);
    const unsigned excuse = late_handlers();
    const long most = !run_kills(run) ? 2 : run->fault->actor == ACTOR_STANDBY ? run->dropped : 0;

    run->outcome.twice = verdict.twice;
    run->outcome.untold = verdict.untold;
    run->outcome.cut = verdict.lost > excuse ? verdict.lost - excuse : 0;
    if (verdict.strange)
        run_fail(run, "a denied client had a handler, or the books are wrong");
    if (run->outcome.twice > 0)
        run_fail(run, "%u clients had more than one handler", run->outcome.twice);
    if (run->outcome.cut > most)
        run_fail(run, "%u clients were cut off", run->outcome.cut);
    if (run_kills(run) && run->dropped > most)
        run_fail(run, "%ld clients were dropped", run->dropped);
}
