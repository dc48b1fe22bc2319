#include "supervisor/base/histogram.h"

#include "supervisor/base/loop.h"

#include <stdlib.h>
#include <string.h>

#define MILLISECONDS(number) ((number)*UINT64_C(1000))
#define SECONDS(number)      ((number)*UINT64_C(1000000))

const uint64_t histogram_bounds[HISTOGRAM_BOUNDS] = {
    MILLISECONDS(1),   MILLISECONDS(3), MILLISECONDS(10), MILLISECONDS(30), MILLISECONDS(100),
    MILLISECONDS(300), SECONDS(1),      SECONDS(3),       SECONDS(10),      SECONDS(30),
    SECONDS(100),      SECONDS(300),    SECONDS(1000),    SECONDS(3000),    SECONDS(10000),
    SECONDS(30000),    SECONDS(100000),
};

void histogram_add(struct histogram *histogram, uint64_t duration)
{
    unsigned bucket = 0;

    while (bucket < HISTOGRAM_BOUNDS && duration > histogram_bounds[bucket])
        bucket++;
    histogram->counts[bucket]++;
    histogram->recent[histogram->count++ % HISTOGRAM_RECENT] = duration;
    histogram->sum += duration;
}

static int compare(const void *one, const void *other)
{
    const uint64_t left = *(const uint64_t *)one;
    const uint64_t right = *(const uint64_t *)other;

    return (left > right) - (left < right);
}

static double at(const uint64_t *sorted, uint32_t count, uint32_t percent)
{
    return loop_seconds(sorted[(count * percent + 99) / 100 - 1]);
}

struct histogram_quantiles histogram_quantiles(const struct histogram *histogram)
{
    const uint32_t of =
        histogram->count < HISTOGRAM_RECENT ? (uint32_t)histogram->count : HISTOGRAM_RECENT;
    uint64_t sorted[HISTOGRAM_RECENT];

    if (of == 0)
        return (struct histogram_quantiles){.of = 0};
    memcpy(sorted, histogram->recent, of * sizeof(*sorted));
    qsort(sorted, of, sizeof(*sorted), compare);
    return (struct histogram_quantiles){of, at(sorted, of, 50), at(sorted, of, 90),
                                        at(sorted, of, 99), at(sorted, of, 100)};
}
