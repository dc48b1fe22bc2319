/*
 * patience.h - how long an answer is waited for.
 */
#ifndef SUPERVISOR_POOL_PATIENCE_H
#define SUPERVISOR_POOL_PATIENCE_H

#include "supervisor/base/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct patience {
    struct loop *loop;
    struct loop_timer timer; /* set while an answer is due */
    uint64_t allowed;        /* microseconds for an answer */
    uint64_t due;            /* when it is */
    bool extended;           /* some more time was given */
};

enum patience_verdict {
    PATIENCE_AGAIN,    /* it was we who slept: all the time is given once more */
    PATIENCE_EXTENDED, /* it is due, for the first time: some more time is given */
    PATIENCE_LOST      /* that is over as well */
};

/* `expired` is told when the time is over, and to ask for the verdict, if an answer is due still.
 */
void patience_open(struct patience *patience, struct loop *loop, uint64_t allowed,
                   void (*expired)(void *context), void *context);

/* An answer has come, or is due from now on: all the time is given.  Without `due`, none is. */
void patience_renew(struct patience *patience, bool due);

/* To be asked when the time is over. */
enum patience_verdict patience_judge(struct patience *patience);

#endif
