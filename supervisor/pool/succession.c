#include "supervisor/pool/succession.h"

#include "dispatcher/shared/wire.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

static int ask_to_fork(struct dispatcher *dispatcher, struct dispatcher *parent,
                       const union message *request, const struct ends *ends)
{
    dispatcher->avoided = (int)parent->index;
    return dispatcher_ask(parent, request, (int[]){ends->peer, ends->memory});
}

static void fork_one(struct pool *pool, struct dispatcher *dispatcher, struct dispatcher *parent)
{
    union message request;
    struct ends ends;
    int error = 0;

    wire_header(&request, MESSAGE_FORK, dispatcher->index, dispatcher->generation + 1);
    request.fork.spare = dispatcher->spare;
    if (ends_open(&ends, &pool->reserve) != 0) {
        error = errno;
    } else if (ask_to_fork(dispatcher, parent, &request, &ends) != 0) {
        error = errno;
        ends_close(&ends);
    } else {
        (void)close(ends.memory); /* mapped here, and sent there */
        ends.memory = -1;
        if (dispatcher_begin(dispatcher, &ends, 0, (int)parent->index) != 0)
            error = errno;
    }
    ends_keep(&pool->reserve);
    errno = error;
    if (error != 0)
        dispatcher_failed(dispatcher);
}

static void on_due(void *context, struct dispatcher *dispatcher)
{
    struct pool *pool = context;
    struct dispatcher *parent = pool_anybody(pool, dispatcher->avoided);

    if (parent != NULL)
        fork_one(pool, dispatcher, parent);
    else
        dispatcher_postpone(dispatcher);
}

static void on_forked(void *context, const struct dispatcher *parent, const union message *message)
{
    struct pool *pool = context;
    const struct message_header *header = &message->header;
    struct dispatcher *dispatcher;

    if (header->client >= pool_all(pool))
        return; /* nobody that we know */
    dispatcher = &pool->dispatchers[header->client];
    if (dispatcher->generation != header->ticket || dispatcher->state == DISPATCHER_ABSENT ||
        dispatcher->parent != (int)parent->index)
        return; /* it has been given up meanwhile */
    errno = message->forked.error;
    dispatcher_forked(dispatcher, message->forked.process);
}

static bool on_is_last(void *context, const struct dispatcher *dispatcher)
{
    const struct pool *pool = context;

    for (unsigned i = 0; i < pool_all(pool); i++)
        if (&pool->dispatchers[i] != dispatcher && pool->dispatchers[i].state == DISPATCHER_READY)
            return false;
    return true;
}

/* A child of this process, and nobody else's that is known. */
static bool on_may_be(void *context, pid_t process)
{
    const struct pool *pool = context;
    siginfo_t information;

    return process > 1 && !pool_has_process(pool, process) &&
           !pool->events.is_handler(pool->events.context, process) &&
           waitid(P_PID, (id_t)process, &information, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* Those that it was asked to fork may be there or not: they are given up, and find the end of their
 * messages. */
static void on_died(void *context, struct dispatcher *dispatcher)
{
    struct pool *pool = context;
    bool lost = true;

    for (unsigned i = 0; i < pool_all(pool); i++) {
        struct dispatcher *each = &pool->dispatchers[i];

        if (each->state == DISPATCHER_STARTING)
            channel_hear(&each->channel); /* that it is ready may lie there unread */
        if (each->state == DISPATCHER_STARTING && each->parent == (int)dispatcher->index) {
            errno = ESRCH;
            dispatcher_failed(each);
        }
        lost = lost && each->state != DISPATCHER_READY && each->state != DISPATCHER_STARTING;
    }
    if (lost)
        pool->events.lost(pool->events.context);
}

const struct dispatcher_family succession = {
    .due = on_due,
    .forked = on_forked,
    .is_last = on_is_last,
    .may_be = on_may_be,
    .died = on_died,
};
