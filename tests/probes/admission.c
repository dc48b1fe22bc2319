/*
 * The admission function over a table of cases.
 */
#include "supervisor/admission.h"

#include <stdio.h>
#include <stdlib.h>

static const struct row {
    const char *name;
    struct admission_facts facts;
    uint32_t start;
    enum admission_reason reason;
} rows[] = {
    {"nobody waits",
     {.queued = 0, .active = 0, .processes = 4, .dispatchers = 8},
     0,
     ADMISSION_NONE},
    {"all fit", {.queued = 3, .active = 1, .processes = 4, .dispatchers = 8}, 3, ADMISSION_NONE},
    {"processes",
     {.queued = 5, .active = 1, .processes = 4, .dispatchers = 8},
     3,
     ADMISSION_PROCESSES},
    {"processes reached",
     {.queued = 5, .active = 4, .processes = 4, .dispatchers = 8},
     0,
     ADMISSION_PROCESSES},
    {"processes lowered below what runs",
     {.queued = 5, .active = 9, .processes = 4, .dispatchers = 8},
     0,
     ADMISSION_PROCESSES},
    {"one process",
     {.queued = 5, .active = 0, .processes = 1, .dispatchers = 8},
     1,
     ADMISSION_PROCESSES},
    {"no limit on processes",
     {.queued = 5, .active = 100, .processes = ADMISSION_UNLIMITED, .dispatchers = 8},
     5,
     ADMISSION_NONE},
    {"load, none runs",
     {.queued = 5, .processes = 4, .dispatchers = 8, .load_high = true},
     1,
     ADMISSION_LOAD},
    {"load, one runs",
     {.queued = 5, .active = 1, .processes = 4, .dispatchers = 8, .load_high = true},
     0,
     ADMISSION_LOAD},
    {"load, several run",
     {.queued = 5, .active = 3, .processes = 4, .dispatchers = 8, .load_high = true},
     0,
     ADMISSION_LOAD},
    {"load, only one waits",
     {.queued = 1, .processes = 4, .dispatchers = 8, .load_high = true},
     1,
     ADMISSION_NONE},
    {"load and processes: the first is told",
     {.queued = 5, .active = 4, .processes = 4, .dispatchers = 8, .load_high = true},
     0,
     ADMISSION_PROCESSES},
    {"dispatchers",
     {.queued = 9, .processes = ADMISSION_UNLIMITED, .dispatchers = 2},
     2,
     ADMISSION_DISPATCHERS},
    {"no dispatcher", {.queued = 9, .processes = 4, .dispatchers = 0}, 0, ADMISSION_DISPATCHERS},
    {"a start failed: one attempt",
     {.queued = 9, .processes = 4, .dispatchers = 8, .starts_failed = true},
     1,
     ADMISSION_FAILURE},
    {"a start failed just now",
     {.queued = 9, .processes = 4, .dispatchers = 8, .starts_failed = true, .starts_held = true},
     0,
     ADMISSION_FAILURE},
    {"a start failed, and the load is high",
     {.queued = 9,
      .active = 1,
      .processes = 4,
      .dispatchers = 8,
      .starts_failed = true,
      .load_high = true},
     0,
     ADMISSION_LOAD},
    {"ending",
     {.queued = 9, .processes = 4, .dispatchers = 8, .ending = true},
     0,
     ADMISSION_ENDING},
    {"the most there can be",
     {.queued = UINT32_MAX,
      .active = UINT32_MAX,
      .processes = UINT32_MAX,
      .dispatchers = UINT32_MAX},
     0,
     ADMISSION_PROCESSES},
};

int main(void)
{
    int failures = 0;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct admission admission = admission_decide(&rows[i].facts);
        if (admission.start == rows[i].start && admission.reason == rows[i].reason)
            continue;
        (void)fprintf(stderr, "%s: start %u because of %s, expected %u because of %s\n",
                      rows[i].name, admission.start, admission_reason_name(admission.reason),
                      rows[i].start, admission_reason_name(rows[i].reason));
        failures++;
    }
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
