#include "supervisor/server/manager.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/text.h"
#include "supervisor/figures/figures.h"
#include "supervisor/server/snapshot.h"

#include <string.h>

/* The struct has no padding, because it is compared as bytes. */
static struct server_standing standing(const struct server *server)
{
    return (struct server_standing){
        .stage = server->shutdown.stage,
        .paused = server->starting.paused,
        .waiting = clients_count(&server->queue.clients, CLIENT_QUEUED),
        .running = clients_active(&server->queue.clients),
        .permitted = server->options->processes,
    };
}

static void tell(struct server *server, const struct server_standing *now)
{
    char line[NOTIFY_STATUS_MAXIMUM];
    struct snapshot snapshot;
    struct text text;

    snapshot_count(server, &snapshot);
    text_open(&text, line, sizeof(line));
    figures_summary(&text, &snapshot);
    notify_status(&server->notify, line);
    server->told = *now;
}

/* The loop runs, so the supervisor lives.  The manager's watchdog hears of that only if a
 * dispatcher has answered since the last time, so clients can be served. */
static void on_watchdog(void *context)
{
    struct server *server = context;
    struct watchdog *watchdog = &server->watchdog;
    bool alive = pool_has_answered(&server->pool) || !watchdog->asked;

    if (alive)
        notify_watchdog(&server->notify);
    if (!alive && !watchdog->silent)
        log_warning("no dispatcher answers: not telling the service manager's watchdog that the "
                    "service lives");
    watchdog->silent = !alive;
    if (server->notify.watchdog_every == 0)
        return; /* the service manager is gone */
    pool_ping(&server->pool);
    watchdog->asked = true;
    watchdog->timer.deadline = server->loop.now + server->notify.watchdog_every;
}

void manager_begin(struct server *server)
{
    struct server_standing now = standing(server);

    tell(server, &now);
    notify_ready(&server->notify);
    if (server->notify.watchdog_every == 0)
        return;
    server->watchdog.timer = (struct loop_timer){
        .expired = on_watchdog,
        .context = server,
        .deadline = loop_clock() + server->notify.watchdog_every,
    };
    loop_add_timer(&server->loop, &server->watchdog.timer);
}

void manager_look(struct server *server)
{
    struct server_standing now;

    if (!notify_is_open(&server->notify))
        return;
    if (!server->notify.serving && server->takeover != NULL && server->takeover->left)
        manager_begin(server);
    now = standing(server);
    if (memcmp(&now, &server->told, sizeof(now)) != 0 && notify_takes_status(&server->notify))
        tell(server, &now);
}
