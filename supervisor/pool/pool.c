#include "supervisor/pool/pool.h"

#include "dispatcher/shared/log.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

/* A dispatcher that is silent for longer is stopped, or all its handlers hang in exec, on a dead
 * file system for example.  Killing it loses nothing, and frees its clients. */
enum {
    ALLOWED = 10 * LOOP_SECOND,
    SILENT = 2 * LOOP_SECOND /* after that nobody counts on it */
};

/* ---- beginning and end ---- */

/* A dispatcher needs room for the descriptors of all STARTs in a packet. */
static unsigned starts_at_once(rlim_t limit)
{
    if (limit >= PROTOCOL_DESCRIPTORS + PROTOCOL_SLOTS)
        return PROTOCOL_SLOTS;
    return limit > PROTOCOL_DESCRIPTORS ? (unsigned)(limit - PROTOCOL_DESCRIPTORS) : 1;
}

void pool_open(struct pool *pool, struct loop *loop, struct pool_books *books, unsigned count,
               rlim_t descriptors, const struct pool_events *events)
{
    /* Member by member: places for dispatchers that are not used take no memory. */
    pool->loop = loop;
    pool->books = books;
    pool->events = *events;
    pool->count = count;
    pool->allowed = ALLOWED;
    pool->most = starts_at_once(descriptors);
    pool->opening = true;
    loop_add_timer(loop, &pool->late);
    for (unsigned i = 0; i < count; i++)
        dispatcher_open(&pool->dispatchers[i], pool, i);
}

void pool_begin(struct pool *pool, unsigned index, uint32_t generation, pid_t process,
                const int descriptors[CHANNEL_DESCRIPTORS])
{
    if (pool_knows(pool, index, generation)) {
        for (int i = 0; i < CHANNEL_DESCRIPTORS; i++)
            (void)close(descriptors[i]); /* an earlier supervisor has left us the same */
        return;
    }
    if (index >= pool->count || pool->dispatchers[index].state != DISPATCHER_ABSENT)
        log_bug("the keeper started dispatcher %u, which it was not to start", index);
    dispatcher_begin(&pool->dispatchers[index], generation, process, descriptors);
}

static bool is_same(const struct pool_known *one, const struct pool_known *other)
{
    return other->process != 0 && one->index == other->index &&
           one->generation == other->generation;
}

int pool_recall(struct pool *pool)
{
    struct pool_books *books = pool->books;

    pool->opening = false;
    for (unsigned i = 0; i < POOL_LEFT; i++) {
        struct pool_known *left = &books->left[i];

        if (left->process == 0)
            continue;
        if (left->index >= POOL_MAXIMUM || is_same(left, &books->dispatchers[left->index]))
            left->process = 0; /* it is damaged, or was about to be left */
        else if (channel_recall(pool->loop, &pool->events, left, &pool->left) == NULL)
            return -1;
    }
    for (unsigned i = 0; i < pool->count; i++)
        if (books->dispatchers[i].process != 0 && dispatcher_recall(&pool->dispatchers[i]) != 0)
            return -1;
    return 0;
}

bool pool_knows(const struct pool *pool, unsigned index, uint32_t generation)
{
    return index < pool->count && pool->dispatchers[index].state != DISPATCHER_ABSENT &&
           pool->dispatchers[index].generation == generation;
}

bool pool_recall_start(struct pool *pool, unsigned index, uint32_t generation, unsigned slot,
                       uint32_t client, uint64_t ticket)
{
    if (pool_knows(pool, index, generation))
        return starts_recall(&pool->dispatchers[index].channel.starts, slot, client, ticket);
    for (struct channel *left = pool->left; left != NULL; left = left->next)
        if (left->known->index == index && left->known->generation == generation)
            return starts_recall(&left->starts, slot, client, ticket);
    return false;
}

bool pool_is_rolling(const struct pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++)
        if (pool->dispatchers[i].state != DISPATCHER_ABSENT && pool->dispatchers[i].channel.rolling)
            return true;
    return false;
}

static void log_unready(const struct dispatcher *dispatcher)
{
    log_error("dispatcher %u, process %d, did not become ready", dispatcher->index,
              dispatcher->process);
}

void pool_died(struct pool *pool, unsigned index, uint32_t generation, int status)
{
    struct dispatcher *dead = index < pool->count ? &pool->dispatchers[index] : NULL;

    if (dead == NULL || dead->state == DISPATCHER_ABSENT || dead->generation != generation)
        return;
    if (pool->opening && !pool->failed)
        log_unready(dead);
    pool->failed = pool->opening;
    dispatcher_died(dead, status);
}

static bool has_any(const struct pool *pool, enum dispatcher_state state)
{
    for (unsigned i = 0; i < pool->count; i++)
        if (pool->dispatchers[i].state == state)
            return true;
    return false;
}

/* Returns true if a dispatcher, or the first one, may still become ready. */
static bool is_undecided(const struct pool *pool)
{
    return !pool->failed && (has_any(pool, DISPATCHER_STARTING) || pool_ready(pool) == 0);
}

/* A dispatcher that is being killed was silent for too long, or violated the protocol. */
static void look(void *context)
{
    struct pool *pool = context;

    for (unsigned i = 0; !pool->failed && i < pool->count; i++)
        if (pool->dispatchers[i].state == DISPATCHER_ENDING) {
            log_unready(&pool->dispatchers[i]);
            pool->failed = true;
        }
    /* Each dispatcher that has begun has a timer of its own. */
    if (pool->late.deadline == 0 && is_undecided(pool) && !has_any(pool, DISPATCHER_STARTING)) {
        log_error("no dispatcher has begun within %.3g s", loop_seconds(pool->allowed));
        pool->failed = true;
    }
    if (!is_undecided(pool))
        loop_stop(pool->loop);
}

int pool_await(struct pool *pool)
{
    loop_update(pool->loop);
    pool_hurry(pool, pool->allowed); /* their time begins now */
    pool->late.deadline = pool->loop->now + pool->allowed;
    look(pool);
    if (is_undecided(pool))
        loop_run(pool->loop, look, pool);
    pool->late.deadline = 0;
    pool->opening = pool->failed || is_undecided(pool);
    return pool->opening ? -1 : 0;
}

void pool_stopped(struct pool *pool, unsigned index, uint32_t generation, bool stopped)
{
    if (pool_knows(pool, index, generation))
        pool->dispatchers[index].channel.known->stopped = stopped;
}

/* A dispatcher that has not answered the roll call yet served the earlier supervisor. */
static bool can_serve(const struct dispatcher *dispatcher)
{
    uint64_t now = dispatcher->pool->loop->now;
    uint64_t left = dispatcher->due > now ? dispatcher->due - now : 0;
    bool called = dispatcher->state == DISPATCHER_STARTING && dispatcher->channel.rolling;

    return (dispatcher->state == DISPATCHER_READY || called) &&
           !dispatcher->channel.known->stopped &&
           (dispatcher->due == 0 || left + SILENT >= dispatcher->pool->allowed);
}

bool pool_can_serve(const struct pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++)
        if (can_serve(&pool->dispatchers[i]))
            return true;
    return false;
}

void pool_close(struct pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++)
        dispatcher_close(&pool->dispatchers[i]);
    channel_close_left(&pool->left);
}

/* ---- requests ---- */

unsigned pool_ready(const struct pool *pool)
{
    unsigned ready = 0;

    for (unsigned i = 0; i < pool->count; i++)
        ready += pool->dispatchers[i].state == DISPATCHER_READY;
    return ready;
}

/* Returns how many STARTs a dispatcher can take now. */
static unsigned room_of(const struct dispatcher *dispatcher)
{
    unsigned given = dispatcher->channel.starts.count;
    unsigned most = dispatcher->pool->most;

    return dispatcher->state == DISPATCHER_READY && given < most ? most - given : 0;
}

unsigned pool_room(const struct pool *pool)
{
    unsigned room = 0;

    for (unsigned i = 0; i < pool->count; i++)
        room += room_of(&pool->dispatchers[i]);
    return room;
}

static bool is_failing(const struct dispatcher *dispatcher)
{
    return dispatcher->pool->loop->now < dispatcher->failing_until;
}

/* A dispatcher whose starts fail comes last: it would always have the most room. */
static bool is_better(const struct dispatcher *one, const struct dispatcher *other)
{
    if (room_of(one) == 0 || other == NULL)
        return room_of(one) > 0;
    return is_failing(one) == is_failing(other) ? room_of(one) > room_of(other) : is_failing(other);
}

const struct dispatcher *pool_start(struct pool *pool, union message *start, int descriptor)
{
    struct dispatcher *best = NULL;

    for (unsigned i = 0; i < pool->count; i++)
        if (is_better(&pool->dispatchers[i], best))
            best = &pool->dispatchers[i];
    if (best != NULL)
        dispatcher_start(best, start, descriptor);
    return best;
}

int pool_flush(struct pool *pool)
{
    int error = 0;

    for (unsigned i = 0; i < pool->count; i++) {
        struct dispatcher *each = &pool->dispatchers[i];

        if (error != 0)
            dispatcher_withdraw(each); /* a later client must not start before an earlier one */
        else if (dispatcher_flush(each) != 0)
            error = errno;
    }
    errno = error;
    return error == 0 ? 0 : -1;
}

int pool_signal(struct pool *pool, unsigned dispatcher, const struct message_header *client,
                int32_t process, int signal_number)
{
    union message message;

    if (dispatcher >= pool->count || pool->dispatchers[dispatcher].state != DISPATCHER_READY) {
        errno = ESRCH;
        return -1;
    }
    wire_header(&message, MESSAGE_SIGNAL, client->client, client->ticket);
    message.signal.process = process;
    message.signal.signal = signal_number;
    return dispatcher_ask(&pool->dispatchers[dispatcher], &message);
}

int32_t pool_signal_start(struct pool *pool, unsigned index, const struct message_header *start,
                          int signal_number)
{
    int32_t process =
        index < pool->count ? starts_child(&pool->dispatchers[index].channel.starts, start) : 0;

    if (process != 0)
        return pool_signal(pool, index, start, process, signal_number) == 0 ? process : 0;
    for (const struct channel *left = pool->left; process == 0 && left != NULL; left = left->next)
        process = starts_child(&left->starts, start);
    return process != 0 && pool->events.signal(pool->events.context, process, signal_number)
               ? process
               : 0;
}

void pool_signal_left(const struct pool *pool, int signal_number)
{
    for (const struct channel *left = pool->left; left != NULL; left = left->next)
        for (unsigned i = 0; i < PROTOCOL_SLOTS; i++) {
            int32_t process = starts_process(&left->starts, i);

            if (process != 0) /* if that fails, the handler is signalled once it is known to run */
                (void)pool->events.signal(pool->events.context, process, signal_number);
        }
}

static bool is_idle(const struct dispatcher *dispatcher)
{
    return dispatcher->state == DISPATCHER_READY && !channel_owes(&dispatcher->channel);
}

void pool_ping(struct pool *pool)
{
    union message message;

    wire_header(&message, MESSAGE_PING, 0, 0);
    for (unsigned i = 0; i < pool->count; i++)
        if (is_idle(&pool->dispatchers[i]))
            (void)dispatcher_ask(&pool->dispatchers[i], &message); /* or the next time */
}

bool pool_has_answered(struct pool *pool)
{
    bool any = false;

    for (unsigned i = 0; i < pool->count; i++) {
        struct dispatcher *each = &pool->dispatchers[i];

        dispatcher_hear(each); /* an answer may have come */
        any = any || each->heard;
        each->heard = false;
    }
    return any;
}

void pool_hurry(struct pool *pool, uint64_t allowed)
{
    pool->allowed = allowed;
    for (unsigned i = 0; i < pool->count; i++)
        dispatcher_expect(&pool->dispatchers[i]);
}

void pool_give_way(struct pool *pool)
{
    if (pool_ready(pool) < 2)
        return;
    for (unsigned i = pool->count; i-- > 0;)
        if (is_idle(&pool->dispatchers[i])) {
            dispatcher_give_way(&pool->dispatchers[i]);
            return;
        }
}

const struct starts_slot *pool_ended_start(struct pool *pool, pid_t process)
{
    const struct starts_slot *start = NULL;

    for (unsigned i = 0; start == NULL && i < pool->count; i++)
        start = starts_reaped(&pool->dispatchers[i].channel.starts, process);
    for (struct channel *left = pool->left; start == NULL && left != NULL; left = left->next)
        start = starts_reaped(&left->starts, process);
    return start;
}
