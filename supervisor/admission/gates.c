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

bool gates_has_load(const struct gates *gates)
{
    return gates->list[OPTIONS_GATE_LOAD].gauge.descriptor >= 0;
}

void gates_adjust(struct gates *gates, uint64_t now)
{
    rate_set(&gates->rate, gates->options->rate, gates->options->rate_period, now);
}

int gates_open(struct gates *gates, const struct options *options, uint64_t now)
{
    *gates = (struct gates){.options = options};
    for (int i = 0; i < OPTIONS_GATES; i++) {
        bool given = options->gates[i].given;

        gates->list[i].gauge.descriptor = -1; /* gates_has_load() */
        if (!given && !may_be_given(options, i))
            continue;
        if (gauge_open(&gates->list[i].gauge, kinds[i].path, kinds[i].before) == 0 || !given)
            continue;
        log_error("%s: cannot read %s: %m%s", kinds[i].option, kinds[i].path, kinds[i].hint);
        return -1;
    }
    gates_adjust(gates, now);
    return 0;
}

/* Looks at one gate, and logs if it has changed; returns whether it is closed. */
static bool is_closed(struct gates *gates, int i, uint64_t now)
{
    struct gate *gate = &gates->list[i];
    const struct options_gate *option = &gates->options->gates[i];
    double value = option->given ? gauge_value(&gate->gauge, now) : 0;
    bool closed = option->given && value >= option->limit;

    if (option->given && closed != gate->closed)
        log_info("%s %.2f, limit %.2f: %s", kinds[i].name, value, option->limit,
                 closed ? "no second handler is started" : "handlers come in gradually");
    gate->closed = closed;
    return closed;
}

void gates_look(struct gates *gates, struct admission_facts *facts, uint64_t now)
{
    uint64_t seconds = 0; /* the longest period of a closed gate */
    bool any = false;

    for (int i = 0; i < OPTIONS_GATES; i++) {
        any = any || gates->options->gates[i].given;
        facts->closed[i] = is_closed(gates, i, now);
        if (facts->closed[i] && kinds[i].seconds > seconds)
            seconds = kinds[i].seconds;
    }
    if (seconds > 0)
        ramp_close(&gates->ramp, facts->active, seconds * LOOP_SECOND, now);
    else if (!any)
        gates->ramp = (struct ramp){0}; /* the operator may have lifted the last limit */
    facts->opening = seconds > 0 ? UNLIMITED : ramp_open(&gates->ramp, now);
    facts->tokens = rate_tokens(&gates->rate, now);
}

bool gates_show(struct gates *gates, enum options_gate_kind kind, double *figure, uint64_t now)
{
    if (!gates->options->gates[kind].given)
        return false;
    *figure = gauge_value(&gates->list[kind].gauge, now);
    return true;
}

uint64_t gates_next_look(struct gates *gates, enum admission_reason reason, uint64_t now)
{
    if (reason >= ADMISSION_LOAD && reason <= ADMISSION_IO)
        return now + LOOK_AGAIN;
    if (reason == ADMISSION_OPENING)
        return ramp_next(&gates->ramp, now);
    return reason == ADMISSION_RATE ? rate_next(&gates->rate, now) : 0;
}
