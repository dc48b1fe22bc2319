#include "supervisor/pool.h"

#include "dispatcher/log.h"

#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>

enum { READY_WITHIN = 10 * LOOP_SECOND };

int pool_open(struct pool *pool, struct loop *loop, struct launch *launch, unsigned count,
              const struct dispatcher_events *events)
{
    uint64_t deadline = loop_clock() + READY_WITHIN;

    pool->count = count;
    pool->events = *events;
    pool->left = NULL;
    for (unsigned i = 0; i < count; i++)
        dispatcher_open(&pool->dispatchers[i], i, loop, launch, &pool->events, &pool->left);
    for (unsigned i = 0; i < count; i++) {
        if (dispatcher_begin(&pool->dispatchers[i]) == 0)
            continue;
        log_warning("cannot start dispatcher %u yet: %m", i);
        if (i == 0)
            return -1;
        break;
    }
    for (unsigned i = 0; i < count; i++) {
        if (pool->dispatchers[i].state != DISPATCHER_ABSENT &&
            dispatcher_await(&pool->dispatchers[i], deadline) != 0)
            return -1;
        dispatcher_keep(&pool->dispatchers[i]);
    }
    return 0;
}

unsigned pool_room(const struct pool *pool)
{
    unsigned room = 0;

    for (unsigned i = 0; i < pool->count; i++)
        room += dispatcher_room(&pool->dispatchers[i]);
    return room;
}

static struct dispatcher *least_used(struct pool *pool)
{
    struct dispatcher *best = NULL;

    for (unsigned i = 0; i < pool->count; i++)
        if (dispatcher_room(&pool->dispatchers[i]) > (best == NULL ? 0 : dispatcher_room(best)))
            best = &pool->dispatchers[i];
    return best;
}

enum pool_result pool_start(struct pool *pool, union message *start, int descriptor)
{
    struct dispatcher *dispatcher;

    while ((dispatcher = least_used(pool)) != NULL) {
        if (dispatcher_start(dispatcher, start, descriptor) == 0)
            return POOL_STARTED;
        if (dispatcher->state == DISPATCHER_READY)
            return POOL_FAILED;
        /* It has just been found dead: to the next one. */
    }
    return POOL_NOBODY;
}

int pool_signal(struct pool *pool, unsigned dispatcher, const union message *signal)
{
    return dispatcher_signal(&pool->dispatchers[dispatcher], signal);
}

static bool has_process(const struct dispatcher *dispatcher)
{
    return dispatcher->state != DISPATCHER_ABSENT && !dispatcher->reaped;
}

void pool_reap(struct pool *pool)
{
    int status;

    for (unsigned i = 0; i < pool->count; i++)
        if (has_process(&pool->dispatchers[i]) &&
            waitpid(pool->dispatchers[i].process, &status, WNOHANG) > 0)
            dispatcher_died(&pool->dispatchers[i], status);
}

bool pool_reaped(struct pool *pool, pid_t process, int status)
{
    for (unsigned i = 0; i < pool->count; i++) {
        if (!has_process(&pool->dispatchers[i]) || pool->dispatchers[i].process != process)
            continue;
        dispatcher_died(&pool->dispatchers[i], status);
        return true;
    }
    return false;
}

bool pool_reaped_start(struct pool *pool, pid_t process, uint32_t *client, uint64_t *ticket)
{
    for (unsigned i = 0; i < pool->count; i++)
        if (dispatcher_reaped(&pool->dispatchers[i], process, client, ticket))
            return true;
    return remains_reaped(pool->left, process, client, ticket);
}

void pool_signal_left(const struct pool *pool, int signal_number)
{
    remains_signal(pool->left, signal_number);
}

void pool_stop_replacing(struct pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++) {
        pool->dispatchers[i].replaced = false;
        pool->dispatchers[i].restart.deadline = 0;
    }
}

void pool_kill(struct pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++)
        if (has_process(&pool->dispatchers[i]))
            (void)kill(pool->dispatchers[i].process, SIGKILL); /* a child, and not reaped */
}

void pool_continue(const struct pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++)
        if (has_process(&pool->dispatchers[i]))
            (void)kill(pool->dispatchers[i].process, SIGCONT); /* a child, and not reaped */
}

void pool_close(struct pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++)
        dispatcher_close(&pool->dispatchers[i]);
    remains_close(&pool->left);
}
