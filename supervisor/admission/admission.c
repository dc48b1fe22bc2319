#include "supervisor/admission/admission.h"

/* Lowers the number of starts to `most`; of equal limits, the first is the reason. */
static void limit(struct admission *admission, uint32_t most, enum admission_reason reason)
{
    if (admission->start > most) {
        admission->start = most;
        admission->reason = reason;
    }
}

static uint32_t up_to(uint32_t most, uint32_t active)
{
    return most > active ? most - active : 0;
}

struct admission admission_decide(const struct admission_facts *facts)
{
    struct admission admission = {.start = facts->queued, .reason = ADMISSION_NONE};

    if (facts->ending)
        limit(&admission, 0, ADMISSION_ENDING);
    if (facts->paused)
        limit(&admission, 0, ADMISSION_PAUSED);
    if (facts->handing_over)
        limit(&admission, 0, ADMISSION_TAKEOVER);
    limit(&admission, up_to(facts->processes, facts->active), ADMISSION_PROCESSES);
    limit(&admission, facts->queued - facts->aside, ADMISSION_FAILURE);
    limit(&admission, facts->startable, ADMISSION_SOURCE);
    if (facts->starts_held)
        limit(&admission, 0, ADMISSION_FAILURE);
    else if (facts->starts_failed)
        limit(&admission, 1, ADMISSION_FAILURE);
    for (int gate = 0; gate < OPTIONS_GATES; gate++)
        if (facts->closed[gate])
            limit(&admission, up_to(1, facts->active),
                  (enum admission_reason)(ADMISSION_LOAD + gate));
    limit(&admission, up_to(facts->opening, facts->active), ADMISSION_OPENING);
    limit(&admission, facts->tokens, ADMISSION_RATE);
    admission.permitted = admission.start;
    limit(&admission, facts->dispatchers, ADMISSION_DISPATCHERS);
    return admission;
}
