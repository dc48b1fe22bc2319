#include "supervisor/keeper/watchdog.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/wire.h"

#include <stddef.h>

/* Whether any has answered since the last time. */
static bool any_has_answered(struct pool *pool)
{
    bool any = false;

    for (unsigned i = 0; i < pool_all(pool); i++) {
        struct channel *channel = &pool->dispatchers[i].channel;

        channel_hear(channel); /* an answer may lie there unread */
        any = any || channel->heard;
        channel->heard = false;
    }
    return any;
}

static void ask_all(struct pool *pool)
{
    for (unsigned i = 0; i < pool_all(pool); i++) {
        struct dispatcher *dispatcher = &pool->dispatchers[i];
        union message message;

        if (dispatcher->state != DISPATCHER_READY ||
            requests_are_open(&dispatcher->channel.requests))
            continue;
        wire_header(&message, MESSAGE_PING, 0, 0);
        /* If it cannot be asked now, it will be the next time. */
        (void)dispatcher_ask(dispatcher, &message, NULL);
    }
}

static void on_timer(void *context)
{
    struct watchdog *watchdog = context;
    bool alive = any_has_answered(watchdog->pool) || !watchdog->asked;
    uint64_t every = notify_watchdog_every(watchdog->notify);

    if (alive)
        notify_watchdog(watchdog->notify);
    if (!alive && !watchdog->silent)
        log_warning("no dispatcher answers: the watchdog of the service manager is not told that "
                    "the service lives");
    watchdog->silent = !alive;
    if (every == 0)
        return; /* there is nobody to tell any more */
    ask_all(watchdog->pool);
    watchdog->asked = true;
    watchdog->timer.deadline = watchdog->loop->now + every;
}

void watchdog_begin(struct watchdog *watchdog, struct loop *loop, struct notify *notify,
                    struct pool *pool)
{
    uint64_t every = notify_watchdog_every(notify);

    *watchdog = (struct watchdog){
        .loop = loop,
        .notify = notify,
        .pool = pool,
        .timer = {.expired = on_timer, .context = watchdog},
    };
    if (every == 0)
        return;
    loop_add_timer(loop, &watchdog->timer);
    loop_update(loop);
    watchdog->timer.deadline = loop->now + every;
}
