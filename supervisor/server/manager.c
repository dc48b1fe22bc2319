#include "supervisor/server/manager.h"

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

static void ask_dispatchers(void *context)
{
    pool_ping(context);
}

static bool has_dispatcher_answered(void *context)
{
    return pool_has_answered(context);
}

void manager_begin(struct server *server)
{
    struct server_standing now = standing(server);

    tell(server, &now);
    notify_ready(&server->notify);
    watchdog_begin(&server->watchdog, &server->loop, &server->notify,
                   &(struct watchdog_service){.ask = ask_dispatchers,
                                              .has_answered = has_dispatcher_answered,
                                              .context = &server->pool});
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
