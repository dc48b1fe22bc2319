#include "supervisor/pool/pool.h"

#include "dispatcher/shared/log.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/wait.h>

enum {
    READY_WITHIN = 10 * LOOP_SECOND,
    /* A dispatcher that is silent for longer is stopped, or all its handlers hang in exec, on a
     * dead file system for example.  Killing it loses nothing, and frees its clients. */
    ALLOWED = 10 * LOOP_SECOND
};

/* Gives up the dispatchers that the dead one was asked to fork. */
static void died(struct dispatcher *dead, int status)
{
    struct pool *pool = dead->pool;
    bool lost = true;

    dispatcher_died(dead, status);
    for (unsigned i = 0; i <= pool->count; i++) {
        struct dispatcher *each = &pool->dispatchers[i];

        if (each->state == DISPATCHER_STARTING)
            dispatcher_hear(each); /* READY may have come */
        /* Nobody knows if it exists.  If it does, it reads end of file and exits. */
        if (each->state == DISPATCHER_STARTING && each->parent == (int)dead->index)
            dispatcher_failed(each, ESRCH);
        lost = lost && each->state != DISPATCHER_READY && each->state != DISPATCHER_STARTING;
    }
    pool->lost = lost;
}

/* ---- opening ---- */

static int launch_spare(struct pool *pool, const struct pool_launch *launch)
{
    struct dispatcher *spare = &pool->dispatchers[pool->count];
    struct channel *channel = &spare->channel;
    pid_t process;

    if (channel_open(channel, pool->reserve) != 0)
        return -1;
    process =
        launch->spare(launch->context, channel->source.descriptor, channel->peer, channel->memory);
    if (process <= 0) {
        channel_close(channel);
        return -1;
    }
    dispatcher_begin(spare, process, -1);
    return 0;
}

/* Returns true if a dispatcher is dead and not reaped.  Its socket does not show that, because we
 * hold a copy of its end. */
static bool is_dead(const struct dispatcher *dispatcher)
{
    siginfo_t information = {0};

    return waitid(P_PID, (id_t)dispatcher->process, &information, WEXITED | WNOHANG | WNOWAIT) !=
               0 ||
           information.si_pid != 0;
}

/* Waits until a dispatcher is ready and owes no answer.  Returns 0, or -1 after logging that it is
 * dead, or not ready at `deadline`. */
static int await(struct dispatcher *dispatcher, uint64_t deadline)
{
    enum { LOOK_AGAIN = 50 /* milliseconds */ };
    struct pollfd event = {.fd = dispatcher->channel.source.descriptor, .events = POLLIN};
    bool over = false;

    while (dispatcher_owes(dispatcher) && !over) {
        over = is_dead(dispatcher) || loop_clock() >= deadline;
        if (poll(&event, 1, over ? 0 : LOOK_AGAIN) > 0)
            dispatcher_hear(dispatcher);
    }
    if (dispatcher->state == DISPATCHER_READY && !dispatcher_owes(dispatcher))
        return 0;
    log_error("dispatcher %u, process %d, did not become ready", dispatcher->index,
              dispatcher->process);
    return -1;
}

static int fail_to_start(void)
{
    log_error("cannot start even one dispatcher and the spare: %m");
    return -1;
}

/* The spare forks the others, so that they share the memory that it has prepared. */
static int start_all(struct pool *pool, const struct pool_launch *launch, uint64_t deadline)
{
    struct dispatcher *spare = &pool->dispatchers[pool->count];

    if (launch_spare(pool, launch) != 0)
        return fail_to_start();
    if (await(spare, deadline) != 0)
        return -1;
    for (unsigned i = 0; i < pool->count; i++) {
        struct dispatcher *dispatcher = &pool->dispatchers[i];

        dispatcher_restart(dispatcher);
        if (await(spare, deadline) != 0)
            return -1;
        if (dispatcher->state != DISPATCHER_ABSENT)
            continue;
        errno = dispatcher->error;
        if (i == 0)
            return fail_to_start();
        log_warning("cannot start dispatcher %u yet: %m; trying again later", i);
        break;
    }
    return 0;
}

/* A dispatcher needs room for the descriptors of all STARTs in a packet. */
static unsigned starts_at_once(rlim_t limit)
{
    if (limit >= PROTOCOL_DESCRIPTORS + PROTOCOL_SLOTS)
        return PROTOCOL_SLOTS;
    return limit > PROTOCOL_DESCRIPTORS ? (unsigned)(limit - PROTOCOL_DESCRIPTORS) : 1;
}

int pool_open(struct pool *pool, struct loop *loop, const struct pool_launch *launch,
              unsigned count, const struct pool_events *events)
{
    uint64_t deadline = loop_clock() + READY_WITHIN;

    /* Member by member: places for dispatchers that are not used take no memory. */
    pool->loop = loop;
    pool->events = *events;
    pool->count = count;
    pool->allowed = ALLOWED;
    pool->most = starts_at_once(launch->descriptors);
    for (unsigned i = 0; i <= count; i++)
        dispatcher_open(&pool->dispatchers[i], pool, i);
    if (start_all(pool, launch, deadline) != 0)
        return -1;
    for (unsigned i = 0; i <= count; i++) {
        if (pool->dispatchers[i].state != DISPATCHER_ABSENT &&
            await(&pool->dispatchers[i], deadline) != 0)
            return -1;
        pool->dispatchers[i].replaced = true;
        if (pool->dispatchers[i].state == DISPATCHER_ABSENT)
            dispatcher_postpone(&pool->dispatchers[i]);
    }
    channel_fill_reserve(pool->reserve);
    return 0;
}

void pool_close(struct pool *pool)
{
    enum { LOOKS = 100, PAUSE = 10 /* milliseconds */ };
    bool left = true;

    /* SIGKILL works at once, except in an uninterruptible system call. */
    for (int look = 0; left && look < LOOKS; look++) {
        if (look > 0)
            (void)poll(NULL, 0, PAUSE);
        left = false;
        for (unsigned i = 0; i <= pool->count; i++)
            left = dispatcher_close(&pool->dispatchers[i]) || left;
    }
    for (unsigned i = 0; left && i <= pool->count; i++)
        if (dispatcher_close(&pool->dispatchers[i]))
            log_error("dispatcher %u, process %d, could not be killed: leaving it", i,
                      pool->dispatchers[i].process);
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

bool pool_start(struct pool *pool, union message *start, int descriptor)
{
    struct dispatcher *best = NULL;

    for (unsigned i = 0; i < pool->count; i++)
        if (is_better(&pool->dispatchers[i], best))
            best = &pool->dispatchers[i];
    if (best != NULL)
        dispatcher_start(best, start, descriptor);
    return best != NULL;
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

static int ask(struct dispatcher *dispatcher, const union message *request)
{
    if (dispatcher != NULL && dispatcher->state == DISPATCHER_READY)
        return dispatcher_ask(dispatcher, request, NULL);
    errno = ESRCH;
    return -1;
}

int pool_signal(struct pool *pool, unsigned dispatcher, const struct message_header *client,
                int32_t process, int signal_number)
{
    bool orphaned = dispatcher == POOL_ORPHANED;
    union message message;

    wire_header(&message, MESSAGE_SIGNAL, client->client, client->ticket);
    message.signal.process = process;
    message.signal.signal = signal_number;
    message.signal.adopted = orphaned;
    return ask(orphaned ? dispatcher_find_ready(pool, -1) : &pool->dispatchers[dispatcher],
               &message);
}

void pool_signal_left(struct pool *pool, int signal_number)
{
    static const struct message_header none;

    for (const struct channel *left = pool->left; left != NULL; left = left->next)
        for (unsigned i = 0; i < PROTOCOL_SLOTS; i++) {
            int32_t process = starts_process(&left->starts, i);

            if (process != 0)
                (void)pool_signal(pool, POOL_ORPHANED, &none, process, signal_number);
        }
}

int pool_read(struct pool *pool, enum protocol_file file)
{
    union message message;

    wire_header(&message, MESSAGE_READ, 0, 0);
    message.read.file = file;
    return ask(&pool->dispatchers[pool->count], &message);
}

static bool is_idle(const struct dispatcher *dispatcher)
{
    return dispatcher->state == DISPATCHER_READY && !channel_owes(&dispatcher->channel);
}

void pool_ping(struct pool *pool)
{
    union message message;

    wire_header(&message, MESSAGE_PING, 0, 0);
    for (unsigned i = 0; i <= pool->count; i++)
        if (is_idle(&pool->dispatchers[i]))
            (void)dispatcher_ask(&pool->dispatchers[i], &message, NULL); /* or the next time */
}

bool pool_has_answered(struct pool *pool)
{
    bool any = false;

    for (unsigned i = 0; i <= pool->count; i++) {
        struct dispatcher *each = &pool->dispatchers[i];

        dispatcher_hear(each); /* an answer may have come */
        any = any || each->heard;
        each->heard = false;
    }
    return any;
}

bool pool_is_signalling(const struct pool *pool)
{
    for (unsigned i = 0; i <= pool->count; i++)
        /* A dispatcher that is being killed handles no more requests. */
        if (pool->dispatchers[i].state != DISPATCHER_ENDING &&
            pool->dispatchers[i].channel.due[CHANNEL_ADOPTED] > 0)
            return true;
    return false;
}

void pool_rouse(struct pool *pool)
{
    for (unsigned i = 0; i <= pool->count; i++)
        if (dispatcher_has_process(&pool->dispatchers[i]))
            channel_rouse(&pool->dispatchers[i].channel);
}

void pool_hurry(struct pool *pool, uint64_t allowed)
{
    pool->allowed = allowed;
    for (unsigned i = 0; i <= pool->count; i++)
        dispatcher_expect(&pool->dispatchers[i]);
}

void pool_give_way(struct pool *pool)
{
    bool any = pool_ready(pool) > 0; /* otherwise the next to start are the only ones */
    bool enough = pool_ready(pool) >= 2;

    for (unsigned i = pool->count; i-- > 0;) {
        struct dispatcher *each = &pool->dispatchers[i];
        bool idle = is_idle(each);

        if ((each->state == DISPATCHER_ABSENT && any) || (idle && enough))
            dispatcher_give_way(each);
        enough = enough && !idle;
    }
}

void pool_stop_replacing(struct pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++) {
        pool->dispatchers[i].replaced = false;
        pool->dispatchers[i].restart.deadline = 0;
    }
}

/* ---- children of this process ---- */

void pool_reap(struct pool *pool)
{
    int status;

    for (unsigned i = 0; i <= pool->count; i++)
        if (dispatcher_has_process(&pool->dispatchers[i]) &&
            waitpid(pool->dispatchers[i].process, &status, WNOHANG) > 0)
            died(&pool->dispatchers[i], status);
}

bool pool_reaped(struct pool *pool, pid_t process, int status)
{
    struct dispatcher *found = dispatcher_find(pool, process);

    if (found != NULL)
        died(found, status);
    return found != NULL;
}

const struct starts_slot *pool_reaped_start(struct pool *pool, pid_t process)
{
    const struct starts_slot *start = NULL;

    for (unsigned i = 0; start == NULL && i < pool->count; i++)
        start = starts_reaped(&pool->dispatchers[i].channel.starts, process);
    for (struct channel *left = pool->left; start == NULL && left != NULL; left = left->next)
        start = starts_reaped(&left->starts, process);
    return start;
}
