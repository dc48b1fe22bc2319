#include "supervisor/pool/patience.h"

enum {
    EXTENSION = 200 * LOOP_MILLISECOND,
    LATE = LOOP_SECOND /* a timer that comes so much later has been kept from it */
};

static void wait_until(struct patience *patience, uint64_t due)
{
    patience->due = due;
    patience->timer.deadline = due;
}

void patience_open(struct patience *patience, struct loop *loop, uint64_t allowed,
                   void (*expired)(void *context), void *context)
{
    *patience = (struct patience){
        .loop = loop,
        .allowed = allowed,
        .timer = {.expired = expired, .context = context},
    };
    loop_add_timer(loop, &patience->timer);
}

void patience_renew(struct patience *patience, bool due)
{
    patience->extended = false;
    wait_until(patience, due ? patience->loop->now + patience->allowed : 0);
}

enum patience_verdict patience_judge(struct patience *patience)
{
    if (patience->loop->now - patience->due > LATE) {
        patience_renew(patience, true);
        return PATIENCE_AGAIN;
    }
    if (patience->extended)
        return PATIENCE_LOST;
    patience->extended = true;
    wait_until(patience, patience->loop->now + EXTENSION);
    return PATIENCE_EXTENDED;
}
