#include "supervisor/admission/gates.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/loop.h"

enum { LOOK_AGAIN = LOOP_SECOND /* from one look at a closed gate to the next */ };

#define PRESSURE(kind)                                                                             \
    {                                                                                              \
        .option = "--pressure", .name = kind " pressure", .path = "/proc/pressure/" kind,          \
        .before = "some avg10=", .seconds = 2,                                                     \
        .hint = "; it requires Linux 4.20 with pressure stall information: CONFIG_PSI, and psi=1 " \
                "where that is off by default",                                                    \
    }

static const struct {
    const char *option;
    const char *name;
    const char *path;
    const char *before; /* the text before the figure */
    unsigned seconds;   /* from one figure of the kernel to the next: gauge.h */
    const char *hint;   /* why the file may be missing */
} kinds[OPTIONS_GATES] = {
    [OPTIONS_GATE_LOAD] = {.option = "--load-average",
                           .name = "load average",
                           .path = "/proc/loadavg",
                           .before = "",
                           .seconds = 5,
                           .hint = ""},
    [OPTIONS_GATE_CPU] = PRESSURE("cpu"),
    [OPTIONS_GATE_MEMORY] = PRESSURE("memory"),
    [OPTIONS_GATE_IO] = PRESSURE("io"),
};

/* Returns whether the operator may set the limit later, when the file cannot be opened any more. */
static bool may_be_given(const struct options *options, int gate)
{
    return options->control != NULL && gate == OPTIONS_GATE_LOAD;
}

static void adjust_rate(struct gates *gates, uint64_t now)
{
    const struct options *options = gates->options;

    if (options->rate == UNLIMITED)
        gates->rate = (struct rate){0};
    else if (gates->rate.count == 0)
        rate_open(&gates->rate, options->rate, options->rate_period, now);
    else
        rate_change(&gates->rate, options->rate, options->rate_period, now);
}

bool gates_has_load(const struct gates *gates)
{
    return gates->list[OPTIONS_GATE_LOAD].gauge.descriptor >= 0;
}

/* Without a limit, the load average is open; without any gate, nothing opens gradually. */
static void adjust_load(struct gates *gates)
{
    if (gates->options->gates[OPTIONS_GATE_LOAD].given)
        return;
    gates->list[OPTIONS_GATE_LOAD].closed = false;
    for (int i = 0; i < OPTIONS_GATES; i++)
        if (gates->options->gates[i].given)
            return;
    gates->ramp = (struct ramp){0};
}

void gates_adjust(struct gates *gates, uint64_t now)
{
    adjust_load(gates);
    adjust_rate(gates, now);
}

int gates_open(struct gates *gates, const struct options *options, uint64_t now)
{
    *gates = (struct gates){.options = options};
    for (int i = 0; i < OPTIONS_GATES; i++) {
        if ((!options->gates[i].given && !may_be_given(options, i)) ||
            gauge_open(&gates->list[i].gauge, kinds[i].path, kinds[i].before) == 0)
            continue;
        if (!options->gates[i].given)
            continue; /* gates_has_load() */
        log_error("%s: cannot read %s: %m%s", kinds[i].option, kinds[i].path, kinds[i].hint);
        return -1;
    }
    adjust_rate(gates, now);
    return 0;
}

/* Looks at one gate, and logs if it has changed; returns whether it is closed. */
static bool is_closed(struct gates *gates, int i, uint64_t now)
{
    struct gate *gate = &gates->list[i];
    double limit = gates->options->gates[i].limit;
    double value;
    bool closed;

    if (!gates->options->gates[i].given)
        return false;
    value = gauge_value(&gate->gauge, now);
    closed = value >= limit;
    if (closed != gate->closed)
        log_info("%s %.2f, limit %.2f: %s", kinds[i].name, value, limit,
                 closed ? "no second handler is started" : "handlers come in gradually");
    gate->closed = closed;
    return closed;
}

void gates_look(struct gates *gates, struct admission_facts *facts, uint64_t now)
{
    uint64_t seconds = 0; /* the longest period of a closed gate */

    for (int i = 0; i < OPTIONS_GATES; i++) {
        facts->closed[i] = is_closed(gates, i, now);
        if (facts->closed[i] && kinds[i].seconds > seconds)
            seconds = kinds[i].seconds;
    }
    facts->opening = UNLIMITED;
    if (seconds > 0)
        ramp_close(&gates->ramp, facts->active, seconds * LOOP_SECOND, now);
    else
        facts->opening = ramp_open(&gates->ramp, now);
    facts->tokens = gates->options->rate == UNLIMITED ? UNLIMITED : rate_tokens(&gates->rate, now);
}

void gates_passed(struct gates *gates)
{
    if (gates->options->rate != UNLIMITED)
        rate_take(&gates->rate);
}

void gates_returned(struct gates *gates)
{
    if (gates->options->rate != UNLIMITED)
        rate_return(&gates->rate);
}

uint64_t gates_next_look(struct gates *gates, enum admission_reason reason, uint64_t now)
{
    switch (reason) {
    case ADMISSION_LOAD:
    case ADMISSION_CPU:
    case ADMISSION_MEMORY:
    case ADMISSION_IO:
        return now + LOOK_AGAIN;
    case ADMISSION_OPENING:
        return ramp_next(&gates->ramp, now);
    case ADMISSION_RATE:
        return rate_next(&gates->rate, now);
    default:
        return 0;
    }
}
