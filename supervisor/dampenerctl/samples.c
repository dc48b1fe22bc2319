#include "supervisor/dampenerctl/samples.h"

#include <math.h>

void samples_add(struct samples *samples, double time, const char *answer)
{
    const char *from = answer != NULL ? answer : "";
    double served = answer_number(from, "ended.served");

    samples->list[samples->count++ % SAMPLES_MAXIMUM] = (struct sample){
        .time = time,
        .process = answer_number(from, "process"),
        .figures = {[SAMPLES_QUEUED] = answer_number(from, "queued"),
                    [SAMPLES_ACCEPTED] = answer_number(from, "accepted"),
                    [SAMPLES_STARTED] = answer_number(from, "running") + served,
                    [SAMPLES_SERVED] = served,
                    [SAMPLES_REFUSED] = answer_number(from, "ended.refused_queue") +
                                        answer_number(from, "ended.refused_source") +
                                        answer_number(from, "ended.refused_timeout")},
    };
}

static const struct sample *find(const struct samples *samples, size_t age)
{
    if (age >= samples->count || age >= SAMPLES_MAXIMUM)
        return NULL;
    return &samples->list[(samples->count - 1 - age) % SAMPLES_MAXIMUM];
}

double samples_figure(const struct samples *samples, enum samples_figure figure, size_t age)
{
    const struct sample *sample = find(samples, age);

    return sample == NULL || isinf(sample->figures[figure]) ? (double)NAN : sample->figures[figure];
}

static double rate_between(const struct samples *samples, enum samples_figure figure, size_t older,
                           size_t newer)
{
    const struct sample *from = find(samples, older);
    const struct sample *to = find(samples, newer);
    double growth = samples_figure(samples, figure, newer) - samples_figure(samples, figure, older);

    /* Each comparison fails for an unknown figure. */
    if (from == NULL || to == NULL || !(from->process == to->process) || !(to->time > from->time) ||
        !(growth >= 0))
        return (double)NAN;
    return growth / (to->time - from->time);
}

double samples_rate(const struct samples *samples, enum samples_figure figure, size_t age)
{
    return rate_between(samples, figure, age + 1, age);
}

double samples_recent_rate(const struct samples *samples, enum samples_figure figure)
{
    size_t oldest = 0;

    while (oldest < SAMPLES_SPAN && !isnan(samples_rate(samples, figure, oldest)))
        oldest++;
    return oldest == 0 ? (double)NAN : rate_between(samples, figure, oldest, 0);
}
