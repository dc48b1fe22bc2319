#include "supervisor/dampenerctl/samples.h"

#include <math.h>

void samples_add(struct samples *samples, double time, const struct status *status)
{
    struct sample *sample = &samples->list[samples->count % SAMPLES_MAXIMUM];

    *sample = (struct sample){
        time, STATUS_UNKNOWN, {STATUS_UNKNOWN, STATUS_UNKNOWN, STATUS_UNKNOWN, STATUS_UNKNOWN}};
    if (status != NULL) {
        sample->process = status->process;
        sample->figures[SAMPLES_QUEUED] = status->queued;
        sample->figures[SAMPLES_ACCEPTED] = status->accepted;
        sample->figures[SAMPLES_STARTED] = status->running + status->ended.served;
        sample->figures[SAMPLES_SERVED] = status->ended.served;
    }
    samples->count++;
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

    return sample == NULL || isinf(sample->figures[figure]) ? STATUS_UNKNOWN
                                                            : sample->figures[figure];
}

static double rate_between(const struct samples *samples, enum samples_figure figure, size_t older,
                           size_t newer)
{
    const struct sample *from = find(samples, older);
    const struct sample *to = find(samples, newer);
    double growth = samples_figure(samples, figure, newer) - samples_figure(samples, figure, older);

    /* Each comparison fails for what is not known. */
    if (from == NULL || to == NULL || !(from->process == to->process) || !(to->time > from->time) ||
        !(growth >= 0))
        return STATUS_UNKNOWN;
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
    return oldest == 0 ? STATUS_UNKNOWN : rate_between(samples, figure, oldest, 0);
}
