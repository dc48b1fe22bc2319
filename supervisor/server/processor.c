#include "supervisor/server/processor.h"

enum {
    ENOUGH = 16,  /* of one after the other, to believe that it goes on like that */
    OVERLAP = 3,  /* of two at once, the first is gone, and only its handler's end not known yet */
    AT_MOST = 256 /* until the scheduler is asked again */
};

static void bind_here(struct processor *processor)
{
    int number = sched_getcpu();

    if (number < 0 || number >= CPU_SETSIZE ||
        sched_getaffinity(0, sizeof(processor->allowed), &processor->allowed) != 0 ||
        CPU_COUNT(&processor->allowed) < 2)
        return;
    CPU_ZERO(&processor->here);
    CPU_SET((size_t)number, &processor->here);
    processor->bound = sched_setaffinity(0, sizeof(processor->here), &processor->here) == 0;
}

static void unbind(struct processor *processor)
{
    cpu_set_t now;

    processor->bound = false;
    if (sched_getaffinity(0, sizeof(now), &now) == 0 && CPU_EQUAL(&now, &processor->here))
        /* Refused, it may run here at least. */
        (void)sched_setaffinity(0, sizeof(processor->allowed), &processor->allowed);
}

void processor_look(struct processor *processor, uint32_t clients, uint64_t come)
{
    bool overlap = clients >= OVERLAP;

    if (!overlap && come - processor->since < (processor->bound ? AT_MOST : ENOUGH))
        return;
    processor->since = come;
    if (processor->bound)
        unbind(processor);
    else if (!overlap)
        bind_here(processor);
}
