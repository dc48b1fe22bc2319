#include "supervisor/base/histogram.h"

#include "supervisor/base/loop.h"
#include "supervisor/base/stores.h"

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

void histogram_note(struct histogram *histogram, uint64_t ticket, uint64_t duration)
{
    uint32_t bucket = 0;

    while (bucket < HISTOGRAM_BOUNDS && duration > histogram_bounds[bucket])
        bucket++;
    stores_settle();
    histogram->latest.ticket = 0;
    stores_settle();
    histogram->latest.duration = duration;
    histogram->latest.counted = histogram->counts[bucket] + 1;
    histogram->latest.count = histogram->count + 1;
    histogram->latest.sum = histogram->sum + duration;
    histogram->latest.bucket = bucket;
    stores_settle();
    histogram->latest.ticket = ticket;
    stores_settle();
}

void histogram_store(struct histogram *histogram)
{
    const uint32_t bucket = histogram->latest.bucket;
    const uint64_t count = histogram->latest.count;

    if (histogram->latest.ticket == 0 || bucket > HISTOGRAM_BOUNDS)
        return; /* what another process has left is checked */
    histogram->counts[bucket] = histogram->latest.counted;
    histogram->recent[(count - 1) % HISTOGRAM_RECENT] = histogram->latest.duration;
    histogram->count = count;
    histogram->sum = histogram->latest.sum;
    stores_settle();
}

void histogram_add(struct histogram *histogram, uint64_t ticket, uint64_t duration)
{
    histogram_note(histogram, ticket, duration);
    histogram_store(histogram);
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
