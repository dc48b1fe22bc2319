#include "supervisor/pool/succession.h"

#include <errno.h>

struct dispatcher *succession_anybody(struct pool *pool, int avoided)
{
    const unsigned all = pool->count + 1;
    const unsigned from = avoided < 0 ? all : (unsigned)avoided;
    struct dispatcher *best = NULL;

    for (unsigned i = 1; i <= all; i++) {
        struct dispatcher *each = &pool->dispatchers[(from + all - i) % all];

        if (each->state != DISPATCHER_READY || ((int)each->index == avoided && best != NULL))
            continue;
        if (!channel_owes(&each->channel))
            return each;
        if (best == NULL || each->due > best->due)
            best = each;
    }
    return best;
}

/* Returns 0, or -1 with errno. */
static int fork_one(struct dispatcher *dispatcher, struct dispatcher *parent)
{
    struct channel_ends ends;
    union message request;

    if (channel_open_ends(&ends, &dispatcher->pool->reserve) != 0)
        return -1;
    wire_header(&request, MESSAGE_FORK, dispatcher->index, dispatcher->generation + 1);
    request.fork.spare = dispatcher->spare;
    dispatcher->avoided = (int)parent->index;
    if (dispatcher_ask(parent, &request, (int[]){ends.peer, ends.memory}) == 0)
        return dispatcher_begin(dispatcher, &ends, 0, (int)parent->index);
    channel_close_ends(&ends);
    return -1;
}

void succession_restart(void *context)
{
    struct dispatcher *dispatcher = context;
    struct dispatcher *parent = succession_anybody(dispatcher->pool, dispatcher->avoided);

    if (parent == NULL)
        dispatcher_postpone(dispatcher);
    else if (fork_one(dispatcher, parent) != 0)
        dispatcher_failed(dispatcher, errno);
    channel_fill_reserve(&dispatcher->pool->reserve);
}

void succession_forked(struct dispatcher *parent, const struct message_forked *answer)
{
    struct pool *pool = parent->pool;
    const struct message_header *header = &answer->header;
    struct dispatcher *child;

    if (header->client > pool->count)
        return;
    child = &pool->dispatchers[header->client];
    if (child->generation != header->ticket || child->state == DISPATCHER_ABSENT ||
        child->parent != (int)parent->index)
        return; /* it was given up meanwhile */
    child->parent = -1;
    if (child->state != DISPATCHER_STARTING || child->process != 0)
        return; /* its READY came first */
    /* The child may have died, and been reaped as an unknown process. */
    if (answer->error != 0 || !dispatcher_take_process(child, answer->process))
        dispatcher_failed(child, answer->error != 0 ? answer->error : ESRCH);
}

void succession_died(const struct dispatcher *dead)
{
    struct pool *pool = dead->pool;
    bool lost = true;

    for (unsigned i = 0; i <= pool->count; i++) {
        struct dispatcher *each = &pool->dispatchers[i];

        if (each->state == DISPATCHER_STARTING)
            dispatcher_hear(each); /* READY may have come */
        /* Whether it exists is unknown.  If it does, it reads end of file and exits. */
        if (each->state == DISPATCHER_STARTING && each->parent == (int)dead->index)
            dispatcher_failed(each, ESRCH);
        lost = lost && each->state != DISPATCHER_READY && each->state != DISPATCHER_STARTING;
    }
    if (lost)
        pool->events.lost(pool->events.context);
}
