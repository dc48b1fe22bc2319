#include "supervisor/dampenerctl/words.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DAY UINT64_C(86400) /* seconds */

__attribute__((format(printf, 1, 2))) static struct words say(const char *format, ...)
{
    struct words words;
    va_list arguments;

    va_start(arguments, format);
    /* What is cut no daemon counts to. */
    (void)vsnprintf(words.text, sizeof(words.text), format, arguments);
    va_end(arguments);
    return words;
}

struct words words_count(double count)
{
    if (isnan(count))
        return say("-");
    if (isinf(count))
        return say("no limit");
    return say("%.0f", count);
}

struct words words_short(double count)
{
    static const char *const units[] = {"", "M", "G", "T"};
    size_t unit = 0;

    if (!isfinite(count))
        return words_count(count);
    if (fabs(count) >= 999950)
        for (unit = 1, count /= 1e6; fabs(count) >= 999.95 && unit < 3; unit++)
            count /= 1e3;
    if (unit == 3 && fabs(count) >= 999.95)
        return say("many");
    return say("%.*f%s", unit == 0 ? 0 : 1, count, units[unit]);
}

struct words words_rate(double rate)
{
    if (isnan(rate))
        return say("-");
    return rate < 99.95 ? say("%.1f", rate) : words_short(rate);
}

struct words words_time(double time)
{
    static const struct {
        uint64_t size; /* of the greater unit, in seconds */
        uint64_t part_size;
        char unit, part;
    } forms[] = {{60, 1, 'm', 's'}, {3600, 60, 'h', 'm'}, {DAY, 3600, 'd', 'h'}};
    uint64_t seconds;
    size_t form = 0;

    if (!isfinite(time))
        return isnan(time) ? say("-") : say("none");
    if (time < 0.9995)
        return say("%.0fms", time * 1000);
    if (time < 59.95)
        return say("%.1fs", time);
    if (time >= 99999.0 * (double)DAY)
        return say("ages");
    seconds = (uint64_t)time;
    if (seconds >= 100 * DAY)
        return say("%" PRIu64 "d", seconds / DAY);
    while (form < 2 && seconds >= forms[form + 1].size)
        form++;
    return say("%" PRIu64 "%c%02" PRIu64 "%c", seconds / forms[form].size, forms[form].unit,
               seconds % forms[form].size / forms[form].part_size, forms[form].part);
}

struct name {
    const char *name;
    const char *words;
};

static const char *look_up(const struct name *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i].name, name) == 0)
            return names[i].words;
    return *name == '\0' ? "-" : name;
}

const char *words_reason(const char *name)
{
    static const struct name reasons[] = {
        {"none", "nothing"},
        {"ending", "the end of the service"},
        {"paused", "the operator's pause"},
        {"processes", "the limit on handlers"},
        {"per-source", "the limit per source"},
        {"failure", "failing starts"},
        {"load", "the load average"},
        {"cpu-pressure", "pressure on processors"},
        {"memory-pressure", "pressure on memory"},
        {"io-pressure", "pressure on input/output"},
        {"opening", "a gate that just opened"},
        {"rate", "the rate of starts"},
        {"dispatchers", "busy dispatchers"},
    };

    return look_up(reasons, sizeof(reasons) / sizeof(*reasons), name);
}

const char *words_state(const char *name)
{
    static const struct name states[] = {
        {"serving", "serving"}, {"paused", "PAUSED"},           {"draining", "DRAINING"},
        {"ending", "ENDING"},   {"handed over", "HANDED OVER"},
    };

    return look_up(states, sizeof(states) / sizeof(*states), name);
}
