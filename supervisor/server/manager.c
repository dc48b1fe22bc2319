#include "supervisor/server/manager.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/text.h"
#include "supervisor/base/stores.h"
#include "supervisor/figures/figures.h"
#include "supervisor/server/requests.h"
#include "supervisor/server/snapshot.h"

#include <string.h>

enum { STATUS_EVERY = LOOP_SECOND, LOOK_AGAIN = 10 * LOOP_MILLISECOND };

/* The struct has no padding, because it is compared as bytes. */
static struct server_standing standing(const struct server *server)
{
    return (struct server_standing){
        .stage = server->lasting->shutdown.stage,
        .paused = server->lasting->paused,
        .serving = snapshot_can_serve(server),
        .waiting = clients_count(&server->queue.clients, CLIENT_QUEUED),
        .running = clients_active(&server->queue.clients),
        .permitted = server->options->processes,
    };
}

/* Has the manager told of a state, with the present status. */
static void tell(struct server *server, enum notify_state state)
{
    char line[NOTIFY_STATUS_MAXIMUM];
    struct snapshot snapshot;
    struct text text;

    snapshot_count(server, &snapshot);
    text_open(&text, line, sizeof(line));
    figures_summary(&text, &snapshot);
    requests_notify(server, state, line);
    server->told = standing(server);
    server->lasting->manager.status_at = server->loop.now + STATUS_EVERY;
}

/* Returns true while it is open whether a dispatcher will answer the roll call in time. */
static bool is_undecided(const struct server *server)
{
    return pool_ready(&server->pool) == 0 && pool_can_serve(&server->pool);
}

/* The loop runs, so the supervisor lives.  The manager's watchdog hears of that only if a
 * dispatcher has answered since the last time, so clients can be served; and not from supervisors
 * that die one after the other. */
static void on_watchdog(void *context)
{
    struct server *server = context;
    struct manager *manager = &server->lasting->manager;
    bool failing = standby_is_failing(&server->lasting->standby, server->loop.now);
    bool answered;
    bool alive;

    if (manager->watchdog_every == 0)
        return; /* the service manager is gone */
    if (is_undecided(server)) {
        manager->watchdog.deadline = server->loop.now + LOOK_AGAIN;
        return;
    }
    answered = pool_has_answered(&server->pool) || !manager->asked;
    alive = answered && snapshot_can_serve(server);
    if (alive)
        requests_notify(server, NOTIFY_WATCHDOG, "");
    if (!alive && !manager->silent)
        log_warning("%s: not telling the service manager's watchdog that the service lives",
                    failing ? "one supervisor after the other has died" : "no dispatcher answers");
    manager->silent = !alive;
    pool_ping(&server->pool);
    manager->asked = true;
    manager->watchdog.deadline = server->loop.now + manager->watchdog_every;
}

void manager_open(struct server *server, const struct notify *notify)
{
    struct manager *manager = &server->lasting->manager;

    if (!server->lasting->standby.begun) {
        manager->open = notify_is_open(notify);
        manager->watchdog_every = notify->watchdog_every;
    }
    manager->asked = false; /* the answers may have gone to an earlier supervisor */
    if (manager->serving && manager->watchdog_every != 0 && manager->watchdog.deadline == 0)
        manager->watchdog.deadline = loop_clock() + manager->watchdog_every / 4;
    manager->watchdog.expired = on_watchdog;
    manager->watchdog.context = server;
    loop_add_timer(&server->loop, &manager->watchdog);
    manager->status.expired = NULL; /* it only begins a round */
    loop_add_timer(&server->loop, &manager->status);
    manager->recovery.deadline = standby_recovers_at(&server->lasting->standby);
    manager->recovery.expired = NULL; /* this, too */
    loop_add_timer(&server->loop, &manager->recovery);
}

void manager_begin(struct server *server)
{
    struct manager *manager = &server->lasting->manager;

    if (!manager->open || manager->serving)
        return;
    /* After a takeover, STOPPING=1 may precede it. */
    tell(server, manager->stopping ? NOTIFY_STATUS : NOTIFY_READY);
    if (manager->watchdog_every != 0)
        manager->watchdog.deadline = loop_clock() + manager->watchdog_every;
    stores_settle();
    manager->serving = true;
}

void manager_stopping(struct server *server)
{
    if (!server->lasting->manager.stopping)
        tell(server, NOTIFY_STOPPING);
    server->lasting->manager.stopping = true;
    server->lasting->manager.status_at = 0; /* the next status is about the end, and urgent */
}

void manager_reload(struct server *server, enum notify_state state)
{
    if (!server->lasting->manager.stopping)
        requests_notify(server, state, "");
}

void manager_look(struct server *server)
{
    struct manager *manager = &server->lasting->manager;
    struct server_standing now;

    if (!manager->open)
        return;
    if (!manager->serving && server->takeover != NULL && server->takeover->left)
        manager_begin(server);
    now = standing(server);
    if (!manager->serving || memcmp(&now, &server->told, sizeof(now)) == 0)
        return;
    if (manager->status_at <= server->loop.now)
        tell(server, NOTIFY_STATUS);
    else
        manager->status.deadline = manager->status_at;
}
