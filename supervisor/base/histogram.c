#include "supervisor/base/histogram.h"

#include <stdlib.h>
#include <string.h>

#define MILLISECONDS(number) ((number)*UINT64_C(1000))
#define SECONDS(number)      ((number)*UINT64_C(1000000))

const uint64_t histogram_bounds[HISTOGRAM_BOUNDS] = {
    MILLISECONDS(1),  MILLISECONDS(2),   MILLISECONDS(5),   MILLISECONDS(10),  MILLISECONDS(20),
    MILLISECONDS(50), MILLISECONDS(100), MILLISECONDS(200), MILLISECONDS(500), SECONDS(1),
    SECONDS(5),       SECONDS(15),       SECONDS(60),       SECONDS(300),      SECONDS(900),
    SECONDS(3600),    SECONDS(86400),
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

static uint64_t at(const uint64_t *sorted, uint32_t count, uint32_t percent)
{
    return sorted[(count * percent + 99) / 100 - 1];
}

struct histogram_quantiles histogram_quantiles(const struct histogram *histogram)
{
    struct histogram_quantiles quantiles = {
        .of = histogram->count < HISTOGRAM_RECENT ? (uint32_t)histogram->count : HISTOGRAM_RECENT};
    uint64_t sorted[HISTOGRAM_RECENT];

    if (quantiles.of == 0)
        return quantiles;
    memcpy(sorted, histogram->recent, quantiles.of * sizeof(*sorted));
    qsort(sorted, quantiles.of, sizeof(*sorted), compare);
    quantiles.median = at(sorted, quantiles.of, 50);
    quantiles.ninety = at(sorted, quantiles.of, 90);
    quantiles.ninety_nine = at(sorted, quantiles.of, 99);
    quantiles.longest = sorted[quantiles.of - 1];
    return quantiles;
}
