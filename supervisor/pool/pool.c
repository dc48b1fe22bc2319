#include "supervisor/pool/pool.h"

#include "dispatcher/shared/log.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY_WITHIN = 10 * LOOP_SECOND };

/* ---- beginning ---- */

static int launch_spare(struct pool *pool, struct launch *launch)
{
    struct ends ends;
    pid_t process;
    int error;

    if (ends_open(&ends, &pool->reserve) != 0)
        return -1;
    process = launch_dispatcher(launch, &ends);
    error = errno;
    (void)close(ends.memory); /* mapped here, and inherited there */
    ends.memory = -1;
    if (process > 0)
        return dispatcher_begin(&pool->dispatchers[pool->count], &ends, process, -1);
    ends_close(&ends);
    errno = error;
    return -1;
}

static int fail_to_start(void)
{
    log_error("cannot start even one dispatcher and the spare: %m");
    return -1;
}

/* The spare forks the others, as it does later on: what it has prepared is then in memory once, and
 * not once for each. */
static int start_all(struct pool *pool, struct launch *launch, uint64_t deadline)
{
    struct dispatcher *spare = &pool->dispatchers[pool->count];

    if (launch_spare(pool, launch) != 0)
        return fail_to_start();
    if (dispatcher_await(spare, deadline) != 0)
        return -1;
    for (unsigned i = 0; i < pool->count; i++) {
        struct dispatcher *dispatcher = &pool->dispatchers[i];

        pool->family.due(pool, dispatcher);
        if (dispatcher_await(spare, deadline) != 0)
            return -1;
        if (dispatcher->state != DISPATCHER_ABSENT)
            continue;
        errno = dispatcher->error;
        if (i == 0)
            return fail_to_start();
        log_warning("cannot start dispatcher %u yet: %m", i);
        break;
    }
    return 0;
}

unsigned pool_all(const struct pool *pool)
{
    return pool->count + 1;
}

/* All STARTs of a packet come with a descriptor each, for which a dispatcher needs room. */
static unsigned starts_at_once(const struct launch *launch)
{
    const rlim_t limit = launch->limit.rlim_cur;

    if (limit >= PROTOCOL_DESCRIPTORS + PROTOCOL_SLOTS)
        return PROTOCOL_SLOTS;
    return limit > PROTOCOL_DESCRIPTORS ? (unsigned)(limit - PROTOCOL_DESCRIPTORS) : 1;
}

int pool_open(struct pool *pool, struct loop *loop, struct launch *launch, unsigned count,
              const struct dispatcher_events *events, const struct dispatcher_family *family)
{
    uint64_t deadline = loop_clock() + READY_WITHIN;

    /* Not all of it: of the places for dispatchers only those that are used take memory. */
    pool->count = count;
    pool->events = *events;
    pool->family = *family;
    pool->family.context = pool;
    for (unsigned i = 0; i < pool_all(pool); i++)
        dispatcher_open(&pool->dispatchers[i], i, loop, &pool->events, &pool->family, &pool->left,
                        starts_at_once(launch));
    pool->dispatchers[count].spare = true;
    if (start_all(pool, launch, deadline) != 0)
        return -1;
    for (unsigned i = 0; i < pool_all(pool); i++) {
        if (pool->dispatchers[i].state != DISPATCHER_ABSENT &&
            dispatcher_await(&pool->dispatchers[i], deadline) != 0)
            return -1;
        dispatcher_keep(&pool->dispatchers[i]);
    }
    ends_keep(&pool->reserve);
    return 0;
}

/* ---- work ---- */

unsigned pool_ready(const struct pool *pool)
{
    unsigned ready = 0;

    for (unsigned i = 0; i < pool->count; i++)
        ready += pool->dispatchers[i].state == DISPATCHER_READY;
    return ready;
}

unsigned pool_room(const struct pool *pool)
{
    unsigned room = 0;

    for (unsigned i = 0; i < pool->count; i++)
        room += dispatcher_room(&pool->dispatchers[i]);
    return room;
}

/* One whose starts fail comes last for a while: otherwise it would have the most room, again and
 * again. */
static bool is_better(const struct dispatcher *one, const struct dispatcher *other)
{
    if (dispatcher_room(one) == 0 || other == NULL)
        return dispatcher_room(one) > 0;
    return dispatcher_is_failing(one) == dispatcher_is_failing(other)
               ? dispatcher_room(one) > dispatcher_room(other)
               : dispatcher_is_failing(other);
}

static struct dispatcher *least_used(struct pool *pool)
{
    struct dispatcher *best = NULL;

    for (unsigned i = 0; i < pool->count; i++)
        if (is_better(&pool->dispatchers[i], best))
            best = &pool->dispatchers[i];
    return best;
}

bool pool_start(struct pool *pool, union message *start, int descriptor)
{
    struct dispatcher *dispatcher = least_used(pool);

    if (dispatcher != NULL)
        dispatcher_start(dispatcher, start, descriptor);
    return dispatcher != NULL;
}

int pool_flush(struct pool *pool)
{
    int error = 0;

    for (unsigned i = 0; i < pool->count; i++) {
        struct dispatcher *each = &pool->dispatchers[i];

        if (error != 0)
            dispatcher_withdraw(each); /* lest who came later is sent, and who came earlier not */
        else if (dispatcher_flush(each) != 0)
            error = errno;
    }
    errno = error;
    return error == 0 ? 0 : -1;
}

int pool_ask(struct pool *pool, unsigned dispatcher, const union message *request)
{
    errno = ESRCH;
    return pool->dispatchers[dispatcher].state == DISPATCHER_READY
               ? dispatcher_ask(&pool->dispatchers[dispatcher], request, NULL)
               : -1;
}

struct dispatcher *pool_anybody(struct pool *pool, int avoided)
{
    const unsigned all = pool_all(pool);
    const unsigned from = avoided < 0 ? all : (unsigned)avoided;
    const unsigned others = avoided < 0 ? all : all - 1;
    struct dispatcher *best = NULL; /* of these, the one that has been waited for least */

    for (unsigned i = 1; i <= others; i++) {
        struct dispatcher *each = &pool->dispatchers[(from + all - i) % all];

        if (each->state != DISPATCHER_READY)
            continue;
        if (!requests_are_open(&each->channel.requests))
            return each;
        if (best == NULL || each->patience.due > best->patience.due)
            best = each;
    }
    if (best == NULL && avoided >= 0 && pool->dispatchers[avoided].state == DISPATCHER_READY)
        best = &pool->dispatchers[avoided];
    return best;
}

int pool_ask_any(struct pool *pool, const union message *request)
{
    struct dispatcher *dispatcher = pool_anybody(pool, -1);

    errno = ESRCH;
    return dispatcher == NULL ? -1 : dispatcher_ask(dispatcher, request, NULL);
}

int pool_ask_spare(struct pool *pool, const union message *request)
{
    return pool_ask(pool, pool->count, request);
}

bool pool_is_signalling(const struct pool *pool)
{
    for (unsigned i = 0; i < pool_all(pool); i++)
        /* One that is about to be killed begins nothing any more. */
        if (pool->dispatchers[i].state != DISPATCHER_ENDING &&
            pool->dispatchers[i].channel.requests.adopted > 0)
            return true;
    return false;
}

/* ---- children ---- */

bool pool_has_process(const struct pool *pool, pid_t process)
{
    for (unsigned i = 0; i < pool_all(pool); i++)
        if (dispatcher_has_process(&pool->dispatchers[i]) &&
            pool->dispatchers[i].process == process)
            return true;
    return false;
}

void pool_reap(struct pool *pool)
{
    int status;

    for (unsigned i = 0; i < pool_all(pool); i++)
        if (dispatcher_has_process(&pool->dispatchers[i]) &&
            waitpid(pool->dispatchers[i].process, &status, WNOHANG) > 0)
            dispatcher_died(&pool->dispatchers[i], status);
}

bool pool_reaped(struct pool *pool, pid_t process, int status)
{
    for (unsigned i = 0; i < pool_all(pool); i++) {
        if (!dispatcher_has_process(&pool->dispatchers[i]) ||
            pool->dispatchers[i].process != process)
            continue;
        dispatcher_died(&pool->dispatchers[i], status);
        return true;
    }
    return false;
}

bool pool_reaped_start(struct pool *pool, pid_t process, uint32_t *client, uint64_t *ticket)
{
    for (unsigned i = 0; i < pool->count; i++)
        if (starts_reaped(&pool->dispatchers[i].channel.requests.starts, process, client, ticket))
            return true;
    return remains_reaped(pool->left, process, client, ticket);
}

void pool_each_left(const struct pool *pool, void (*each)(void *context, pid_t process),
                    void *context)
{
    remains_each(pool->left, each, context);
}

/* ---- the end ---- */

void pool_stop_replacing(struct pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++) {
        pool->dispatchers[i].replaced = false;
        pool->dispatchers[i].restart.deadline = 0;
    }
}

void pool_hurry(struct pool *pool, uint64_t allowed)
{
    for (unsigned i = 0; i < pool_all(pool); i++)
        dispatcher_hurry(&pool->dispatchers[i], allowed);
}

void pool_give_way(struct pool *pool)
{
    bool any = pool_ready(pool) > 0; /* otherwise those who come next are the only ones */
    bool enough = pool_ready(pool) >= 2;

    for (unsigned i = pool->count; i-- > 0;) {
        struct dispatcher *each = &pool->dispatchers[i];
        bool idle = each->state == DISPATCHER_READY && !requests_are_open(&each->channel.requests);

        if ((each->state == DISPATCHER_ABSENT && any) || (idle && enough))
            dispatcher_give_way(each);
        enough = enough && !idle;
    }
}

void pool_rouse(struct pool *pool)
{
    for (unsigned i = 0; i < pool_all(pool); i++)
        if (dispatcher_has_process(&pool->dispatchers[i]))
            channel_rouse(&pool->dispatchers[i].channel);
}

void pool_close(struct pool *pool)
{
    enum { LOOKS = 100, PAUSE = 10 /* milliseconds */ };
    bool left = true;

    /* After SIGKILL that does not take long, but for one in the midst of a system call that cannot
     * be interrupted. */
    for (int look = 0; left && look < LOOKS; look++) {
        if (look > 0)
            (void)poll(NULL, 0, PAUSE);
        left = false;
        for (unsigned i = 0; i < pool_all(pool); i++)
            left = dispatcher_close(&pool->dispatchers[i]) || left;
    }
    for (unsigned i = 0; left && i < pool_all(pool); i++)
        if (dispatcher_close(&pool->dispatchers[i]))
            log_error("dispatcher %u, process %d, could not be ended", i,
                      pool->dispatchers[i].process);
    remains_close(&pool->left);
}
