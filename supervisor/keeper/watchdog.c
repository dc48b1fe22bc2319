#include "supervisor/keeper/watchdog.h"

#include "dispatcher/shared/log.h"

static void on_timer(void *context)
{
    struct watchdog *watchdog = context;
    const struct watchdog_service *service = &watchdog->service;
    bool alive = service->has_answered(service->context) || !watchdog->asked;
    uint64_t every = notify_watchdog_every(watchdog->notify);

    if (alive)
        notify_watchdog(watchdog->notify);
    if (!alive && !watchdog->silent)
        log_warning("no dispatcher answers: not telling the service manager's watchdog that the "
                    "service lives");
    watchdog->silent = !alive;
    if (every == 0)
        return; /* the service manager is gone */
    service->ask(service->context);
    watchdog->asked = true;
    watchdog->timer.deadline = watchdog->loop->now + every;
}

void watchdog_begin(struct watchdog *watchdog, struct loop *loop, struct notify *notify,
                    const struct watchdog_service *service)
{
    uint64_t every = notify_watchdog_every(notify);

    *watchdog = (struct watchdog){
        .loop = loop,
        .notify = notify,
        .service = *service,
        .timer = {.expired = on_timer, .context = watchdog},
    };
    if (every == 0)
        return;
    loop_add_timer(loop, &watchdog->timer);
    loop_update(loop);
    watchdog->timer.deadline = loop->now + every;
}
