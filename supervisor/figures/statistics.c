#include "supervisor/figures/statistics.h"

#include <stddef.h>
#include <sys/wait.h>

void statistics_started(struct statistics *statistics, uint64_t waited)
{
    histogram_add(&statistics->waits, waited);
}

static enum statistics_exit how(const int *status)
{
    if (status == NULL)
        return STATISTICS_UNKNOWN;
    if (WIFSIGNALED(*status))
        return STATISTICS_SIGNAL;
    return WEXITSTATUS(*status) == 0 ? STATISTICS_SUCCESS : STATISTICS_FAILURE;
}

void statistics_ended(struct statistics *statistics, uint64_t ran, const int *status)
{
    histogram_add(&statistics->runs, ran);
    statistics->exits[how(status)]++;
}
