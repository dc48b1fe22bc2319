#include "supervisor/gates.h"

#include "dispatcher/log.h"
#include "supervisor/loop.h"

enum {
    LOOK_AGAIN = LOOP_SECOND,    /* at a figure that holds somebody back */
    LOAD_STEP = 5 * LOOP_SECOND, /* how long a new handler takes to show: gauge.h */
    PRESSURE_STEP = 2 * LOOP_SECOND
};

static const char *const pressure_paths[ADMISSION_PRESSURES] = {
    [ADMISSION_CPU] = "/proc/pressure/cpu",
    [ADMISSION_MEMORY] = "/proc/pressure/memory",
    [ADMISSION_IO] = "/proc/pressure/io",
};

static int open_pressure(struct gauge *gauge, const char *path)
{
    if (gauge_open(gauge, path, "some avg10=") == 0)
        return 0;
    log_error("--pressure: cannot read %s: %m; it takes Linux 4.20 with pressure stall information "
              "(CONFIG_PSI, and psi=1 where it is off by default)",
              path);
    return -1;
}

int gates_open(struct gates *gates, const struct options *options, uint64_t now)
{
    *gates = (struct gates){.options = options};
    if (options->load_limited && gauge_open(&gates->load, "/proc/loadavg", "") != 0) {
        log_error("--load-average: cannot read /proc/loadavg: %m");
        return -1;
    }
    for (int i = 0; i < ADMISSION_PRESSURES; i++)
        if (options->pressures[i].limited &&
            open_pressure(&gates->pressures[i], pressure_paths[i]) != 0)
            return -1;
    if (options->rate != OPTIONS_NONE)
        rate_open(&gates->rate, options->rate, options->rate_period, now);
    return 0;
}

/* Whether the gates are closed, and then in *step how long their figures take. */
static bool are_closed(struct gates *gates, struct admission_facts *facts, uint64_t now,
                       uint64_t *step)
{
    const struct options *options = gates->options;

    *step = 0;
    for (int i = 0; i < ADMISSION_PRESSURES; i++) {
        facts->pressure_high[i] =
            options->pressures[i].limited &&
            gauge_value(&gates->pressures[i], now) >= options->pressures[i].percent;
        if (facts->pressure_high[i])
            *step = PRESSURE_STEP;
    }
    facts->load_high =
        options->load_limited && gauge_value(&gates->load, now) >= options->load_average;
    if (facts->load_high)
        *step = LOAD_STEP;
    return *step > 0;
}

void gates_look(struct gates *gates, struct admission_facts *facts, uint64_t now)
{
    uint64_t step;

    facts->opening = ADMISSION_UNLIMITED;
    if (are_closed(gates, facts, now, &step))
        ramp_close(&gates->ramp, facts->active, step);
    else
        facts->opening = ramp_open(&gates->ramp, now);
    facts->tokens =
        gates->options->rate == OPTIONS_NONE ? ADMISSION_UNLIMITED : rate_tokens(&gates->rate, now);
}

void gates_passed(struct gates *gates)
{
    if (gates->options->rate != OPTIONS_NONE)
        rate_take(&gates->rate);
}

uint64_t gates_next_look(struct gates *gates, enum admission_reason reason, uint64_t now)
{
    switch (reason) {
    case ADMISSION_LOAD:
    case ADMISSION_PRESSURE_CPU:
    case ADMISSION_PRESSURE_MEMORY:
    case ADMISSION_PRESSURE_IO:
        return now + LOOK_AGAIN;
    case ADMISSION_OPENING:
        return ramp_next(&gates->ramp, now);
    case ADMISSION_RATE:
        return rate_next(&gates->rate, now);
    default:
        return 0;
    }
}
